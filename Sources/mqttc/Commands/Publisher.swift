import MQTT
import NIOCore

/// Streams messages to one topic, with a window of unfinished ones: no round trip for each, and no unbounded memory.
struct Publisher {
    static let window = 1_000

    private let client: MQTTClient
    private let topic: String
    private let qos: QoS
    private let retain: Bool
    private var unfinished = CircularBuffer<Delivery>(initialCapacity: window)

    init(_ client: MQTTClient, topic: String, qos: QoS, retain: Bool) {
        self.client = client
        self.topic = topic
        self.qos = qos
        self.retain = retain
    }

    mutating func publish(_ payload: Payload) async throws(MQTTError) {
        // In order, so the oldest is the next to be complete.
        if unfinished.count == Self.window, let oldest = unfinished.popFirst() { _ = try await oldest.completed }
        unfinished.append(try await client.publish(payload, to: topic, qos, retain: retain))
    }

    /// Each line of standard input without its end. A last line needs no end.
    mutating func publishLines() async throws(MQTTError) {
        var lines: [[UInt8]] = []
        var splitter = LineSplitter(limit: PipeSession.lineLimit << 8)
        while let chunk = await StandardInput.next() {
            splitter.feed(chunk[...]) { line in
                switch line {
                case .whole(let bytes), .tooLong(let bytes): lines.append(bytes)
                }
            }
            for line in lines { try await publish(Payload(bytes: line)) }
            lines.removeAll(keepingCapacity: true)
        }
        if !splitter.rest.isEmpty { try await publish(Payload(bytes: splitter.rest)) }
    }

    /// Returns when every message is complete.
    mutating func finish() async throws(MQTTError) {
        while let oldest = unfinished.popFirst() { _ = try await oldest.completed }
    }
}
