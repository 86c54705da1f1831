/// The broker's end of a connection.
struct BrokerConnection: Sendable {
    /// `awaitingConnect` can transition to `open`, `disconnected` (after a refusal too) and `closed`; `open` to the same two.
    enum Phase: Sendable {
        case awaitingConnect
        case open
        /// DISCONNECT came. Nothing may follow.
        case disconnected
        /// The broker closed it. What is still on its way goes unread.
        case closed
    }

    let id: BrokerModel.ConnectionID
    var phase = Phase.awaitingConnect
    /// The protocol level that the client asked for.
    var level: UInt8 = 4
    var session: Int?
    var faults: ConnectionFaults
    var will: BrokerMessage?

    // MARK: Time, in nanoseconds
    var lastReceived: Int64
    /// One and a half keep-alives, or the time for CONNECT. Zero is for ever.
    var silenceLimit: Int64
    /// The caller does not read, so silence proves nothing.
    var isPaused = false

    // MARK: Bytes in
    /// The beginning of a packet whose rest has not come.
    var partial: [UInt8] = []
    /// The latest topic, checked, and who gets it, while `targetsGeneration` is that of the topics.
    var topic: [UInt8] = []
    var targets: [BrokerTopics.Target] = []
    var targetsGeneration = -1
    /// Identifiers by the order in which PUBREC went out on this connection [MQTT-4.6.0-4].
    var pubrecs = BrokerBacklog<UInt16>()

    // MARK: Bytes out
    var outgoing: [UInt8] = []
    var isDirty = false
    /// Handed out, or about to be, and not reported as written.
    var unsent = 0
    /// Acknowledgements that a fault shuffles.
    var held: [BrokerAcknowledgement] = []
    var heldUntil: Int64 = 0
    /// Identifiers of requests whose answer a fault swallowed.
    var withheld = BrokerIDSet()
    /// PUBLISH packets sent, repetitions apart.
    var publishes = 0

    init(id: BrokerModel.ConnectionID, faults: ConnectionFaults, now: Int64, connectTimeout: Int64) {
        self.id = id
        self.faults = faults
        self.lastReceived = now
        self.silenceLimit = connectTimeout
    }

    /// When the silence of the client ends the connection.
    var silenceDeadline: Int64? {
        switch phase {
        case .closed, .disconnected: return nil
        case .awaitingConnect, .open: return silenceLimit == 0 || isPaused ? nil : lastReceived + silenceLimit
        }
    }

    var deadline: Int64? {
        guard !held.isEmpty else { return silenceDeadline }
        return min(silenceDeadline ?? heldUntil, heldUntil)
    }
}

/// PUBACK, PUBREC, PUBCOMP, SUBACK or UNSUBACK.
struct BrokerAcknowledgement: Sendable {
    let first: UInt8
    let packetID: UInt16
    /// Of SUBACK.
    var codes: [UInt8] = []
}
