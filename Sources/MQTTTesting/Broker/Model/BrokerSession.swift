/// A message inside the broker. The properties of 5.0 will be a field here.
package struct BrokerMessage: Sendable, Equatable {
    package var topic: [UInt8]
    package var payload: [UInt8]
    package var qos: UInt8
    package var retain: Bool

    package init(topic: [UInt8], payload: [UInt8], qos: UInt8, retain: Bool) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
    }
}

/// What the broker keeps for a client identifier, with or without a connection.
struct BrokerSession: Sendable {
    let clientID: [UInt8]
    var isClean: Bool
    /// The slot of its connection.
    var slot: Int?
    /// Connections that this session has had, the present one included.
    var connections = 1
    /// The broker had never heard of this client before, under no session.
    var isFirstContact = false
    /// Filters in the order of subscription, for an orderly end.
    var filters: [[UInt8]] = []

    // MARK: To the client

    struct Outbound: Sendable {
        enum Wait: Sendable { case puback, pubrec, pubcomp }

        let packetID: UInt16
        var message: BrokerMessage
        let qos: UInt8
        let retain: Bool
        var wait: Wait
        /// Sent on the present connection. An acknowledgement for what was not is no acknowledgement.
        var isSent = false
    }

    struct Queued: Sendable {
        var message: BrokerMessage
        var qos: UInt8
        var retain: Bool
    }

    /// In the order of the first sending, which is the order of every resend [MQTT-4.6.0-1].
    var inFlight = BrokerBacklog<Outbound>()
    /// How many of those are not yet sent on the present connection. They are the last ones.
    var unsentInFlight = 0
    /// QoS 1 and 2, waiting for a place in flight.
    var queue = BrokerBacklog<Queued>()
    /// QoS 0, waiting for room in the connection.
    var volatileQueue = BrokerBacklog<Queued>()
    var queuedBytes = 0
    private var lastPacketID: UInt16 = 0
    private var allocatedSinceEmpty = 0

    /// Acknowledgements to expect beyond the regular ones, because the broker itself sent something twice.
    var pardons: [(packet: UInt8, id: UInt16)] = []

    // MARK: From the client

    struct Inbound: Sendable {
        let packetID: UInt16
        let topic: [UInt8]
        let payload: [UInt8]
        /// The count of connections at its last arrival.
        var connection: Int
    }

    /// QoS 2 exchanges between PUBLISH and PUBREL, in the order of arrival.
    var inbound = BrokerBacklog<Inbound>()
    /// Exchanges that PUBREL has ended, while the identifier was not taken again.
    var released = BrokerIDSet()
    /// The last of those with their content, to recognize a PUBLISH that comes again.
    var lastReleased = BrokerBacklog<Inbound>()
    /// Identifiers whose final acknowledgement a fault swallowed. They are in use for the client.
    var withheldPubacks = BrokerIDSet()
    var withheldPubcomps = BrokerIDSet()
    /// Identifiers of the latest arrivals at QoS 1 and 2, each with its rank.
    var arrivals = BrokerArrivals()

    init(clientID: [UInt8], isClean: Bool, slot: Int?) {
        self.clientID = clientID
        self.isClean = isClean
        self.slot = slot
    }

    /// An identifier that no unfinished exchange uses [MQTT-2.3.1-2], [MQTT-2.3.1-4].
    mutating func nextPacketID() -> UInt16 {
        if inFlight.isEmpty { allocatedSinceEmpty = 0 }
        allocatedSinceEmpty += 1
        repeat {
            lastPacketID = lastPacketID == .max ? 1 : lastPacketID + 1
            // Nothing can collide before the identifiers went round.
        } while allocatedSinceEmpty > 65_535 && isInFlight(lastPacketID)
        return lastPacketID
    }

    private func isInFlight(_ id: UInt16) -> Bool { position(of: id) != nil }

    func position(of id: UInt16) -> Int? {
        for position in inFlight.positions where inFlight[position]?.packetID == id { return position }
        return nil
    }

    func inboundPosition(of id: UInt16) -> Int? {
        for position in inbound.positions where inbound[position]?.packetID == id { return position }
        return nil
    }

    /// Takes a pardon for an acknowledgement out of the regular order, if there is one.
    mutating func pardons(_ packet: UInt8, _ id: UInt16) -> Bool {
        guard let index = pardons.firstIndex(where: { $0.packet == packet && $0.id == id }) else { return false }
        pardons.remove(at: index)
        return true
    }
}
