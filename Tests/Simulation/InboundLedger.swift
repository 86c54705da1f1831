import MQTTCore

/// What the broker had to deliver to the client under test, and what became of it there.
struct InboundLedger: Sendable {
    /// A message published elsewhere.
    struct Origin: Sendable {
        var qos: QoS
        var queue: Int
        var size: Int32
        /// The broker queued it for the client.
        var isOwed = false
        /// The number of the broker's session that it was published in.
        var epoch: Int
        var handedOver: UInt16 = 0
        /// It was dropped once for a message of a lost session, unseen by anybody.
        var isMistaken = false
        /// So often a process ended before it was known that the application has it.
        var forgiven: UInt16 = 0
    }

    /// A PUBLISH packet that reached the client and was delivered.
    struct Received: Sendable {
        var receipt: Receipt
        var origin: Int
        var packetID: PacketID
        var qos: QoS
        var link: Link
        var isWhole: Bool
        /// The application is done with it.
        var isReleased = false
        /// It broke off with its connection.
        var isBroken = false
        var isHandedOver = false
        /// PUBREC went out.
        var isConfirmed = false
        /// The store of an earlier process has its identifier.
        var isRestored = false
        /// The commit before which PUBREC must not go out.
        var commit: UInt64 = 0
    }

    /// A PUBLISH on the present link that is to be acknowledged.
    private struct Owed: Sendable {
        var packetID: PacketID
        var qos: QoS
        /// Index of the message, which may have come under an earlier link.
        var received: Int
        var isVoid = false
    }

    /// Messages that fell into that hole.
    private(set) var unseenLosses = 0
    var origins: [Origin] = []
    var received: [Received] = []
    /// QoS 2 messages that this session has seen, by identifier, until PUBCOMP.
    var known: [PacketID: Int] = [:]
    private var owed: [Owed] = []
    private var owedHead = 0
    private var pubrels: [PacketID: Int] = [:]
    var removals: [PacketID: UInt64] = [:]
    /// What the lost session of the broker knew, until that is on disk.
    var forgotten: [PacketID: Int] = [:]
    var forgottenCommit: UInt64 = 0
    private var lastHandedOver: [Int]
    let isDurable: Bool
    /// The broker sends packets twice, of QoS 0 too.
    let brokerRepeats: Bool

    init(queues: Int, isDurable: Bool, brokerRepeats: Bool) {
        self.brokerRepeats = brokerRepeats
        lastHandedOver = [Int](repeating: -1, count: queues * 3)
        self.isDurable = isDurable
    }

    typealias Finding = (Invariant, String)

    mutating func publish(_ origin: Origin) -> Int {
        origins.append(origin)
        return origins.count - 1
    }

    mutating func owe(_ origin: Int) { origins[origin].isOwed = true }

    subscript(message: Int) -> Received {
        get { received[message] }
        set { received[message] = newValue }
    }

    // MARK: What the broker sends

    /// PUBLISH was delivered: the application gets it.
    mutating func deliver(_ message: Received) -> (Int, Finding?) {
        received.append(message)
        let index = received.count - 1
        if message.qos == .exactlyOnce {
            if known[message.packetID] != nil { return (index, (.exactlyOnce, "the repetition of \(message.packetID) is delivered")) }
            known[message.packetID] = index
        }
        if message.qos != .atMostOnce { owed.append(Owed(packetID: message.packetID, qos: message.qos, received: index)) }
        return (index, nil)
    }

    /// PUBLISH was dropped as a repetition.
    mutating func discard(_ packetID: PacketID, origin: Int, qos: QoS) -> Finding? {
        guard qos == .exactlyOnce, let index = known[packetID] else {
            return (.atLeastOnce, "message \(origin) is dropped, and is no repetition")
        }
        if received[index].origin != origin {
            // The broker began a new session in a CONNECT whose CONNACK got lost, and the next CONNACK says "session present":
            // a hole of the standard that no client can see.
            guard origins[received[index].origin].epoch != origins[origin].epoch else {
                return (.atLeastOnce, "message \(origin) is dropped as a repetition of another")
            }
            origins[origin].isOwed = false
            origins[origin].isMistaken = true
            unseenLosses += 1
        }
        owed.append(Owed(packetID: packetID, qos: qos, received: index))
        return nil
    }

    mutating func receivePubrel(_ packetID: PacketID) { pubrels[packetID, default: 0] += 1 }

    /// The broker resumed no session: whatever it sends is new.
    mutating func forget() {
        if isDurable, !known.isEmpty {
            forgotten.merge(known) { _, newer in newer }
            // Not issued yet.
            forgottenCommit = .max
        }
        known.removeAll()
        removals.removeAll()
    }

    mutating func linkLost() {
        owed.removeAll(keepingCapacity: true)
        owedHead = 0
        pubrels.removeAll(keepingCapacity: true)
    }

    /// The payload broke off with its connection: it was never received, and comes again.
    mutating func breakOff(_ message: Int) {
        received[message].isBroken = true
        if known[received[message].packetID] == message { known[received[message].packetID] = nil }
    }

    // MARK: What the application does

    /// The application has the message in full, or dismissed it and no longer can get it.
    mutating func handOver(_ message: Int) -> Finding? {
        guard !received[message].isHandedOver else { return nil }
        received[message].isHandedOver = true
        let (index, qos) = (received[message].origin, received[message].qos)
        origins[index].handedOver += 1
        let origin = origins[index]
        if qos == .exactlyOnce || qos == .atMostOnce && !brokerRepeats, origin.handedOver > 1 + origin.forgiven {
            return (qos == .atMostOnce ? .atMostOnce : .exactlyOnce, "message \(index) from elsewhere is handed over twice")
        }
        let order = origin.queue * 3 + Int(qos.rawValue)
        // What was dropped for another, and not acknowledged, comes again: to a process that does not know that other one it is new,
        // and late. Assumptions.md, "A session that is lost unseen".
        if origin.handedOver == 1, !origin.isMistaken {
            guard index > lastHandedOver[order] else {
                return (.deliveredInOrder, "message \(index) from elsewhere comes behind \(lastHandedOver[order])")
            }
            lastHandedOver[order] = index
        }
        return nil
    }

    /// For the canary that hands a repetition over.
    mutating func repeatHandOver(of origin: Int) -> Finding? {
        origins[origin].handedOver += 1
        return origins[origin].handedOver > 1 ? (.exactlyOnce, "message \(origin) from elsewhere is handed over twice") : nil
    }

    mutating func storeInbound(_ packetID: PacketID, commit: UInt64) {
        if let index = known[packetID] { received[index].commit = commit }
    }

    /// The first counts: a second one that a new link caused says the same again.
    mutating func storeRemoval(_ packetID: PacketID, commit: UInt64) {
        if removals[packetID] == nil { removals[packetID] = commit }
    }

    // MARK: What the client sends

    mutating func sendAcknowledgement(_ packetID: PacketID, _ qos: QoS, storedUpTo: UInt64) -> Finding? {
        while owedHead < owed.count, owed[owedHead].isVoid { owedHead += 1 }
        let name = qos == .atLeastOnce ? "PUBACK" : "PUBREC"
        guard owedHead < owed.count else { return (.acknowledgedInOrder, "\(name) \(packetID) is owed to nobody") }
        let next = owed[owedHead]
        guard next.packetID == packetID, next.qos == qos else {
            return (.acknowledgedInOrder, "\(name) \(packetID) ahead of that for \(next.packetID)")
        }
        owedHead += 1
        let message = received[next.received]
        guard message.isReleased else { return (.handedOverBeforeAcknowledged, "\(name) \(packetID) before its message was released") }
        guard message.isWhole else {
            return (.handedOverBeforeAcknowledged, "\(name) \(packetID) before its payload was whole")
        }
        if qos == .exactlyOnce, isDurable, !message.isRestored, message.commit == 0 || message.commit > storedUpTo {
            return (.storedBeforeSent, "PUBREC \(packetID) before the identifier is stored")
        }
        received[next.received].isConfirmed = true
        return nil
    }

    mutating func sendPubcomp(_ packetID: PacketID, storedUpTo: UInt64) -> Finding? {
        guard let count = pubrels[packetID], count > 0 else { return (.acknowledgedInOrder, "PUBCOMP \(packetID) without a PUBREL") }
        pubrels[packetID] = count - 1
        if let index = known.removeValue(forKey: packetID) {
            if !received[index].isReleased { return (.handedOverBeforeAcknowledged, "PUBCOMP \(packetID) before its message was released") }
            if isDurable, received[index].commit != 0 || received[index].isRestored, (removals[packetID] ?? .max) > storedUpTo {
                return (.storedBeforeSent, "PUBCOMP \(packetID) before its removal is stored")
            }
            removals[packetID] = nil
        }
        for index in owedHead..<max(owedHead, owed.count) where owed[index].packetID == packetID && owed[index].qos == .exactlyOnce {
            owed[index].isVoid = true
        }
        return nil
    }

    /// A PUBLISH of this link whose message was released, and which has not been acknowledged.
    var unacknowledged: PacketID? {
        var index = owedHead
        while index < owed.count {
            if !owed[index].isVoid { return owed[index].packetID }
            index += 1
        }
        return nil
    }

    func isKnown(_ packetID: PacketID) -> Bool { known[packetID] != nil }

    /// What the broker owed the client in this session and the client's application never saw.
    func lost(in epoch: Int) -> Int? { origins.firstIndex { $0.isOwed && $0.epoch == epoch && $0.handedOver == 0 } }
}
