@testable import MQTTCore

/// What a session may do by what it did and heard before: ARCHITECTURE.md's invariants, as far as one side alone can see them.
struct SessionLedger {
    private struct Publish {
        var qos: QoS
        var commit: UInt64?
        var packetID: PacketID?
        var wasSent = false
        var isOnThisLink = false
        var isCompleted = false
    }

    private struct Inbound {
        var packetID: PacketID
        var qos: QoS
        var receipt: Receipt
        var isReleased: Bool
        var isWhole: Bool
    }

    private let configuration: SessionConfiguration
    private var publishes: [Serial: Publish] = [:]
    /// Payloads that are in the store alone.
    private(set) var absent: Set<Serial> = []
    private var tickets: Set<Ticket> = []
    private var requestIDs: [PacketID: Ticket] = [:]
    private var inbound: [Inbound] = []
    private var lastReceipt: Receipt = 0
    private var link: Link?
    private var lastLink: Link = 0
    private var isOnline = false
    private var isEnded = false
    private var storedUpTo: UInt64 = 0
    private var lastEvent = Event.tick
    private(set) var lastCommit: UInt64 = 0
    private(set) var asksForCleanSession = false

    init(_ configuration: SessionConfiguration) {
        self.configuration = configuration
        asksForCleanSession = configuration.cleanSession || configuration.alwaysCleanSession
    }

    var isMidPayload: Bool { inbound.contains { !$0.isWhole } }

    mutating func requested(_ ticket: Ticket) { tickets.insert(ticket) }

    /// Before the effects of the event are carried out.
    mutating func happened(_ event: Event) {
        lastEvent = event
        switch event {
        case .release(let receipt):
            for index in inbound.indices where inbound[index].receipt == receipt { inbound[index].isReleased = true }
        case .payloadCompleted: for index in inbound.indices { inbound[index].isWhole = true }
        case .loaded(let serial): absent.remove(serial)
        case .stored(let number): storedUpTo = max(storedUpTo, number)
        case .packet(.suback(let packetID, _)), .packet(.unsuback(let packetID)): requestIDs[packetID] = nil
        case .packet(.publish(let publish)):
            guard isOnline, publish.qos != .atMostOnce else { return }
            inbound.append(
                Inbound(
                    packetID: publish.packetID, qos: publish.qos, receipt: 0, isReleased: false, isWhole: publish.isComplete))
        default: break
        }
    }

    mutating func carryOut(_ effect: Effect) {
        require(!isEnded || isAfterEnd(effect), "\(effect) after the end")
        switch effect {
        case .dial(let number): dialed(number)
        case .sendConnect(let clean):
            require(link != nil && !isOnline, "CONNECT without a new link")
            require(clean == asksForCleanSession, "clean session \(clean)")
        case .send(let packet): sent(packet)
        case .transmit: require(isOnline, "a message is transmitted offline")
        case .sendPublish(let serial, let packetID, let isDuplicate): sent(serial, packetID, isDuplicate)
        case .sendSubscribe(let ticket, let packetID), .sendUnsubscribe(let ticket, let packetID): sent(ticket, packetID)
        // Again, of a link that is gone, is harmless.
        case .hangUp(let number): require(number == lastLink, "link \(number) is not the last")
        case .hangUpAfterFlush(let number): require(number == link, "link \(number) is not open")
        case .accepted(let serial): accepted(serial)
        case .completed(let serial, _):
            require(publishes[serial]?.isCompleted == false, "publish \(serial) is completed, and is not open")
            publishes[serial]?.isCompleted = true
        case .sessionLost(let serial): require(publishes[serial]?.qos == .exactlyOnce, "a session lost for \(serial)")
        case .resolved(let ticket, _): require(tickets.remove(ticket) != nil, "ticket \(ticket) is resolved, and not open")
        case .deliver(let receipt): delivered(receipt)
        case .discard: inbound[inbound.count - 1].isReleased = true
        case .online:
            isOnline = true
            asksForCleanSession = configuration.alwaysCleanSession
        case .offline, .attemptFailed: linkLost()
        case .ended:
            linkLost()
            isEnded = true
        case .stored(let serial): require(publishes[serial]?.commit ?? .max <= storedUpTo, "\(serial) is not stored")
        case .unload(let serial): absent.insert(serial)
        case .load(let serial): require(absent.contains(serial), "\(serial) is loaded, and is there")
        case .refused: break
        case .store(let record, let number): stored(record, number)
        }
    }

    private func isAfterEnd(_ effect: Effect) -> Bool {
        switch effect {
        case .refused(.closed), .resolved(_, .closed): true
        default: false
        }
    }

    func checkEnd() { require(tickets.isEmpty, "tickets \(tickets.sorted()) are never resolved") }

    // MARK: Links

    private mutating func dialed(_ number: Link) {
        require(link == nil, "a second link")
        link = number
        lastLink = number
    }

    private mutating func linkLost() {
        link = nil
        isOnline = false
        inbound = []
        requestIDs = [:]
        for serial in publishes.keys { publishes[serial]?.isOnThisLink = false }
    }

    // MARK: Outbound

    private mutating func accepted(_ serial: Serial) {
        guard case .publish(let qos, _) = lastEvent else { return require(false, "accepted what nobody published") }
        require(publishes[serial] == nil && publishes.keys.allSatisfy { $0 < serial }, "serial \(serial) is not new")
        publishes[serial] = Publish(qos: qos)
        let open = publishes.values.count { $0.qos == qos && !$0.isCompleted }
        let limit = qos == .atLeastOnce ? configuration.limits.atLeastOnce : configuration.limits.exactlyOnce
        require(open <= limit, "\(open) publishes are open")
    }

    private mutating func sent(_ serial: Serial, _ packetID: PacketID, _ isDuplicate: Bool) {
        guard let publish = publishes[serial] else { return require(false, "\(serial) was never accepted") }
        require(isOnline, "PUBLISH offline")
        require(!publish.isCompleted, "\(serial) is sent after its end")
        require(!absent.contains(serial), "\(serial) is sent without its payload")
        require(!publish.isOnThisLink, "\(serial) is sent twice on a link")
        require(publish.packetID ?? packetID == packetID, "\(serial) changes its identifier")
        require(!isDuplicate || publish.wasSent, "DUP on the first PUBLISH of \(serial)")
        require(publish.commit ?? 0 <= storedUpTo && (publish.commit != nil || !configuration.isDurable), "\(serial) is sent unstored")
        let others = publishes.filter { $0.key != serial && $0.value.packetID == packetID && !$0.value.isCompleted }
        require(others.isEmpty, "identifier \(packetID) of \(serial) is in use by \(others.keys)")
        require(packetID >= 0x4000, "a publish has an identifier of requests")
        publishes[serial]?.packetID = packetID
        publishes[serial]?.wasSent = true
        publishes[serial]?.isOnThisLink = true
        let inFlight = publishes.values.filter { $0.isOnThisLink && !$0.isCompleted }
        require(inFlight.count <= configuration.limits.inFlight, "\(inFlight.count) are in flight")
        let exactlyOnce = inFlight.count { $0.qos == .exactlyOnce }
        require(exactlyOnce <= configuration.limits.exactlyOnceInFlight, "\(exactlyOnce) are in flight at QoS 2")
    }

    private mutating func sent(_ ticket: Ticket, _ packetID: PacketID) {
        require(isOnline, "a request offline")
        require(tickets.contains(ticket), "ticket \(ticket) is not open")
        require(1..<0x4000 ~= packetID, "a request has the identifier \(packetID)")
        require(requestIDs.updateValue(ticket, forKey: packetID) == nil, "identifier \(packetID) is in use")
    }

    private mutating func stored(_ record: StoreRecord, _ number: UInt64) {
        require(configuration.isDurable, "there is no store")
        require(number == lastCommit + 1, "commit \(number) after \(lastCommit)")
        lastCommit = number
        switch record {
        case .publish(let serial), .notReceived(let serial): publishes[serial]?.commit = number
        case .received, .givenUp, .removePublish, .inbound, .removeInbound, .removeAllInbound: break
        }
    }

    // MARK: Inbound

    private mutating func delivered(_ receipt: Receipt) {
        guard receipt != 0 else { return }
        require(receipt > lastReceipt, "receipt \(receipt) after \(lastReceipt)")
        lastReceipt = receipt
        inbound[inbound.count - 1].receipt = receipt
    }

    private mutating func sent(_ packet: ControlPacket) {
        require(isOnline, "\(packet) offline")
        switch packet {
        case .puback(let packetID): acknowledged(packetID, .atLeastOnce)
        case .pubrec(let packetID): acknowledged(packetID, .exactlyOnce)
        case .disconnect: isOnline = false
        case .pubrel, .pubcomp, .pingreq: break
        }
    }

    /// In the order of arrival [MQTT-4.6.0-2] [MQTT-4.6.0-3], when the application has it.
    private mutating func acknowledged(_ packetID: PacketID, _ qos: QoS) {
        guard let first = inbound.first else { return require(false, "\(packetID) is acknowledged, and nothing came") }
        require(first.packetID == packetID && first.qos == qos, "\(packetID) is acknowledged before \(first.packetID)")
        require(first.isReleased && first.isWhole, "\(packetID) is acknowledged before it is released")
        inbound.removeFirst()
    }
}
