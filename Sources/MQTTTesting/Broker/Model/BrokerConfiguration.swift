/// What the embedded broker allows, grants and bounds. For tests and demonstrations, like the broker itself.
public struct BrokerConfiguration: Sendable {
    /// QoS 1 and 2 messages on their way to one client at a time; 1 ... 65,535, other values are clamped.
    public var inFlightLimit = 100

    /// Messages that wait for one client, beyond those in flight. What comes on top is dropped and counted.
    public var queueLimit = 100_000

    /// Payload bytes that wait for one client, beyond those in flight. A single message is always admitted to an empty queue.
    public var queueBytesLimit = 256 << 20

    /// Bytes handed to a connection and not yet reported with ``BrokerModel/written(_:to:at:)``, after which no further
    /// PUBLISH is handed to it. A driver that never reports must leave it at its maximum.
    package var unsentLimit = Int.max

    /// The highest QoS that a SUBACK grants.
    public var maximumQoS: UInt8 = 2

    /// A larger packet ends the connection, in bytes from first to last.
    public var maximumPacketSize = 5 + 268_435_455

    /// How long a connection may last without a CONNECT. Zero is for ever.
    public var connectTimeout = Duration.seconds(10)

    /// Passwords by user name. `nil` admits everybody; otherwise a wrong pair gets CONNACK 4 and no user name CONNACK 5.
    public var credentials: [String: [UInt8]]?

    /// CONNACK return code for a client identifier, for ever.
    public var refusals: [String: UInt8] = [:]

    /// Filters that SUBACK refuses with 80 hexadecimal, compared as they are written.
    public var deniedFilters: Set<String> = []

    /// Promises that no two messages of a client have equal topic and payload. A PUBLISH that comes again after its PUBREL
    /// can then be told from a new one under the same identifier, and so can a resend in the wrong order: violations, not suspicions.
    public var payloadsAreUnique = false

    /// Promises that no client goes on with a session of an earlier process. DUP on the first PUBLISH that the broker ever sees of a
    /// client is a violation then, not a suspicion: an earlier process may have sent it, in vain. With unique payloads, so is a resend in
    /// the wrong order: an earlier process may have seen it acknowledged, and its removal was lost with the power.
    public var sessionsAreVolatile = false

    /// Whether each received message becomes an output (see ``BrokerModel/Output/published(_:)``).
    package var reportsPublishes = true

    public init() {}
}

/// What goes wrong on one connection, on the level of packets. Faults on the level of bytes are ``FaultPlan/Rule``s.
public struct ConnectionFaults: Sendable, Equatable {
    /// Answers CONNECT with this return code.
    public var refusal: UInt8?
    /// Processes CONNECT, session included, and closes instead of answering.
    public var closesBeforeConnack = false
    /// Forgets the session just before CONNECT is processed.
    public var losesSession = false
    /// `false` leaves PINGREQ unanswered.
    public var answersPings = true
    /// So many PUBACK, PUBREC, PUBCOMP, SUBACK and UNSUBACK packets are not sent, counted from the first.
    public var swallowedAcknowledgements = 0
    /// Acknowledgements are held back for a moment and sent in an order drawn from this seed.
    public var reorderSeed: UInt64?
    /// Every n-th PUBLISH to the client is sent twice. The second has DUP when its QoS is 1 or 2.
    public var duplicatesEvery: Int?

    public init() {}
}
