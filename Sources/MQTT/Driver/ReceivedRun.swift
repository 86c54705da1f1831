internal import NIOCore

/// Received messages in their order, most of them as numbers that say where in the read buffer each is.
///
/// A message is made of them when it is asked for, on the thread that asks: the event loop neither allocates nor counts references for
/// each, and two threads do not pull one reference count to and fro.
struct ReceivedRun: Sendable {
    /// Bytes that were read, and the topic of all messages that are in them here.
    struct Source: Sendable {
        var bytes: ByteBuffer
        var topic: String
    }

    /// A message whose payload is in memory.
    struct Place: Sendable, BitwiseCopyable {
        /// 0 at QoS 0.
        var receipt: Receipt
        var source: UInt32
        /// Where the payload is in the source's bytes.
        var offset: UInt32
        var length: UInt32
        /// What it pins while it waits: payload and topic.
        var heldBytes: UInt32
        var packetID: PacketID
        var qos: QoS
        var retain: Bool
        var isDuplicate: Bool
    }

    enum Storage: Sendable {
        case places([Place], [Source])
        /// Streams, what several sequences share, and what was picked out of a queue.
        case items([Received])
    }

    let storage: Storage
    /// Those of them that are meant.
    private(set) var indices: Range<Int>
    /// When it came: what is given back to a queue finds its place by it.
    var arrival: UInt64 = 0

    init(_ places: [Place], _ sources: [Source], arrival: UInt64 = 0) {
        storage = .places(places, sources)
        indices = places.indices
        self.arrival = arrival
    }

    init(_ items: [Received] = [], arrival: UInt64 = 0) {
        storage = .items(items)
        indices = items.indices
        self.arrival = arrival
    }

    /// Whether there are no streams, and nothing is shared.
    var isPlace: Bool { if case .places = storage { true } else { false } }
    var count: Int { indices.count }
    var isEmpty: Bool { indices.isEmpty }

    /// Shares the storage.
    subscript(range: Range<Int>) -> ReceivedRun {
        var part = self
        part.indices = range.clamped(to: indices)
        return part
    }

    subscript(index: Int) -> Received {
        switch storage {
        case .places(let places, _): Received(message: message(at: index), receipt: places[index].receipt)
        case .items(let items): items[index]
        }
    }

    func message(at index: Int) -> Message {
        switch storage {
        case .places(let places, let sources):
            var maker = MessageMaker(sources)
            return maker.message(places[index])
        case .items(let items): return items[index].message
        }
    }

    func topic(at index: Int) -> String {
        switch storage {
        case .places(let places, let sources): sources[Int(places[index].source)].topic
        case .items(let items): items[index].message.topic
        }
    }

    func receipt(at index: Int) -> Receipt {
        switch storage {
        case .places(let places, _): places[index].receipt
        case .items(let items): items[index].receipt
        }
    }

    /// The bytes that it pins while it waits. Of a stream, those that it may hold.
    func heldBytes(at index: Int) -> Int {
        switch storage {
        case .places(let places, _): Int(places[index].heldBytes)
        case .items(let items): items[index].heldBytes
        }
    }

    var heldBytes: Int { indices.reduce(0) { $0 + heldBytes(at: $1) } }

    /// The payload of that message, when it is streamed.
    func stream(at index: Int) -> PayloadStream? {
        guard case .items(let items) = storage, case .stream(let stream) = items[index].message.payload.storage else { return nil }
        return stream
    }

    /// The payload of the last message, when it is streamed. No other one is.
    var lastStream: PayloadStream? { isEmpty ? nil : stream(at: indices.upperBound - 1) }

    /// It is dropped unseen: its payload need not arrive, and keeps the connection from being read no longer.
    func skip(at index: Int) { stream(at: index)?.skip() }

    /// Whether it came on an earlier connection and comes again, or came in part: then it is not to be handed over.
    func isStale(at index: Int, _ releases: ReleaseBox) -> Bool {
        switch storage {
        case .places(let places, _): releases.isStale(places[index].receipt, places[index].qos)
        case .items(let items): releases.isStale(items[index])
        }
    }

    /// How many messages from `index` on have the topic of that one for certain: none is looked at.
    func sameTopic(from index: Int) -> Range<Int> {
        guard case .places(let places, _) = storage else { return index..<index + 1 }
        let source = places[index].source
        var end = index + 1
        while end < indices.upperBound, places[end].source == source { end += 1 }
        return index..<end
    }

    /// All of them, in one storage.
    static func joined(_ runs: [ReceivedRun]) -> ReceivedRun {
        guard let first = runs.first else { return ReceivedRun() }
        if runs.count == 1 { return first }
        var places: [Place] = []
        var sources: [Source] = []
        for run in runs {
            guard case .places(let more, let theirs) = run.storage else {
                return ReceivedRun(runs.flatMap { run in run.indices.map { run[$0] } }, arrival: first.arrival)
            }
            for index in run.indices {
                var place = more[index]
                place.source += UInt32(truncatingIfNeeded: sources.count)
                places.append(place)
            }
            sources += theirs
        }
        return ReceivedRun(places, sources, arrival: first.arrival)
    }

    /// Splits it by what is claimed. Nil when nothing is.
    func partition(where claims: (ReceivedRun, Int) -> Bool) -> (claimed: [Received], left: [Received])? {
        var claimed: [Received] = []
        var left: [Received] = []
        for index in indices {
            if claims(self, index) { claimed.append(self[index]) } else { left.append(self[index]) }
        }
        return claimed.isEmpty ? nil : (claimed, left)
    }
}

/// Collects what was received while the engine's lock is held.
struct ReceivedRunBuilder {
    private(set) var runs: [ReceivedRun] = []
    private var places: [ReceivedRun.Place] = []
    private var sources: [ReceivedRun.Source] = []
    /// Whether the last source has the bytes of the read buffer at hand, and the topic of the last message in them.
    private var isInInput = false

    /// Whether the message needs a source of its own: the last one has other bytes, or another topic.
    ///
    /// - Parameter isInput: Whether the message is in the read buffer at hand, the same one in all calls.
    func needsSource(_ head: PublishHead, isInput: Bool) -> Bool { !isInput || !isInInput || !head.repeatsTopic }

    /// Whether a message in the read buffer with the topic of the one before goes to the last source.
    var goesOn: Bool { isInInput }

    /// For the next messages: their payloads are at `offset` of `bytes` and behind.
    mutating func append(source bytes: ByteBuffer, offset: Int, isInput: Bool, topic: String) {
        var bytes = bytes
        bytes.moveReaderIndex(to: offset)
        sources.append(ReceivedRun.Source(bytes: bytes, topic: topic))
        isInInput = isInput
    }

    /// Makes room for as many messages as may come at most.
    mutating func reserve(_ most: Int) { if places.isEmpty { places.reserveCapacity(most) } }

    /// A message whose payload is at `offset` of the last source.
    mutating func append(_ head: PublishHead, _ receipt: Receipt, offset: Int) {
        places.append(
            ReceivedRun.Place(
                receipt: receipt, source: UInt32(truncatingIfNeeded: sources.count - 1),
                offset: UInt32(truncatingIfNeeded: offset),
                length: UInt32(truncatingIfNeeded: head.payloadLength),
                heldBytes: UInt32(truncatingIfNeeded: head.payloadLength + head.topicLength), packetID: head.packetID, qos: head.qos,
                retain: head.retain, isDuplicate: head.isDuplicate))
    }

    /// A message that is not handed over. The next one may repeat its topic, which is not that of the last source.
    mutating func passOver() { isInInput = false }

    /// A message whose payload is streamed: it is the last of a run, so that whoever takes runs reads it ahead of what follows.
    mutating func append(_ received: Received) {
        close()
        runs.append(ReceivedRun([received]))
    }

    mutating func finish() -> [ReceivedRun] {
        close()
        return runs
    }

    private mutating func close() {
        guard !places.isEmpty else { return }
        runs.append(ReceivedRun(places, sources))
        places = []
        sources = []
        isInInput = false
    }
}
