/// The bounds of everything that can grow. Each has a defined effect when it is reached.
public struct Limits: Sendable, Equatable {
    /// QoS 1 publishes that are accepted and not yet complete. Beyond: ``MQTTError/Code/tooManyRequests``, nothing is stored.
    /// Zero disables QoS 1.
    public var atLeastOnce = 10_000
    /// QoS 2 publishes that are accepted and not yet complete. Beyond: ``MQTTError/Code/tooManyRequests``, nothing is stored.
    /// Zero disables QoS 2.
    public var exactlyOnce = 10_000
    /// Bytes of payload of all QoS 1 and 2 publishes that are accepted and not yet complete. In a volatile session a payload that
    /// is read from its source when it is sent does not count. Beyond: ``MQTTError/Code/tooManyRequests``, nothing is stored.
    public var queuedBytes = 64 << 20
    /// How long an accepted publish may wait to go out for the first time. Beyond, it is dropped, and its delivery fails with
    /// ``MQTTError/Code/expired``. Nil is for ever. Counted in tenths of a second; a durable session counts its time on disk too.
    public var queuedAge: Duration?
    /// Bytes of queued publishes that a durable session holds in memory. Beyond, their payloads stay in the store until they are due.
    public var memoryBytes = 16 << 20
    /// QoS 1 and 2 publishes on the wire at a time, 1 to 49,152. Beyond, accepted ones wait in order.
    public var inFlight = 100
    /// QoS 2 publishes among them, 1 to 49,152. Mosquitto 2.0.11 as it comes (`max_inflight_messages 20`) ends the connection of a
    /// 3.1.1 client at the 21st, and while it has 20 it acknowledges QoS 1 publishes and drops them.
    public var exactlyOnceInFlight = 19
    /// Requests (subscribe, unsubscribe, ping) without an answer yet, 1 to 16,383. Beyond: ``MQTTError/Code/tooManyRequests``.
    public var requests = 1_000
    /// Bytes of packets that wait for the operating system to take them. Beyond, a QoS 0 `publish` waits, and `submit` of QoS 0
    /// is refused with ``MQTTError/Code/tooManyRequests``.
    public var outboundBytes = 1 << 20
    /// Received messages that wait to be asked for, in each sequence of messages. Beyond, the client stops to read.
    public var receivedMessages = 10_000
    /// Bytes of received messages that wait to be asked for, in each sequence of messages. Beyond, the client stops to read.
    public var receivedBytes = 4 << 20
    /// The largest packet to accept from the broker, in bytes from first to last. A larger one is a protocol violation.
    public var maximumPacketSize = FixedHeader.maximumRemainingLength + 5

    public init() {}

    /// Filters in one SUBSCRIBE or UNSUBSCRIBE. Beyond: ``MQTTError/Code/invalidArgument``. It bounds the SUBACK to accept too.
    public static let filtersPerRequest = 65_535

    package func check() throws(MQTTError) {
        guard atLeastOnce >= 0, exactlyOnce >= 0, queuedBytes >= 0, memoryBytes >= 0 else { throw .denied("a queue limit is negative") }
        if let queuedAge, queuedAge <= .zero { throw .denied("limits.queuedAge is not above zero") }
        guard 1...PublishID.count ~= inFlight else { throw .denied("limits.inFlight is out of 1 to \(PublishID.count)") }
        guard 1...PublishID.count ~= exactlyOnceInFlight else {
            throw .denied("limits.exactlyOnceInFlight is out of 1 to \(PublishID.count)")
        }
        // Each open request has an identifier of its own: with more of them the search for a free one would never end.
        guard 1...Int(RequestID.last) ~= requests else { throw .denied("limits.requests is out of 1 to \(RequestID.last)") }
        guard outboundBytes > 0, receivedMessages > 0, receivedBytes > 0 else {
            throw .denied("a limit that must be at least 1 is not")
        }
        // The smallest packet with content is a PUBACK of four bytes; below that no session can work.
        guard maximumPacketSize >= 4 else { throw .denied("limits.maximumPacketSize is below 4") }
    }
}
