internal import NIOCore

/// Makes messages of places in a run, one after the other.
///
/// The bytes and the topic that the last one was made of are held here: neither is copied to be looked at, which would count references
/// for each message beyond the two that it has itself.
struct MessageMaker: Sendable {
    private let sources: [ReceivedRun.Source]
    /// The source that is at hand.
    private var number: UInt32?
    private var bytes = ByteBuffer()
    private var topic = ""

    init(_ sources: [ReceivedRun.Source] = []) { self.sources = sources }

    mutating func message(_ place: ReceivedRun.Place) -> Message {
        if place.source != number { take(place.source) }
        var payload = bytes
        payload.moveWriterIndex(to: Int(place.offset) + Int(place.length))
        payload.moveReaderIndex(to: Int(place.offset))
        return Message(
            topic: topic, payload: Payload(.received(payload)), qos: place.qos, retain: place.retain, isDuplicate: place.isDuplicate,
            packetID: place.packetID)
    }

    private mutating func take(_ source: UInt32) {
        number = source
        (bytes, topic) = (sources[Int(source)].bytes, sources[Int(source)].topic)
    }
}
