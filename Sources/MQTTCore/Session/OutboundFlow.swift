/// QoS 1 and 2 publishes, from acceptance to the broker's last word, in one order for both levels.
///
/// The order of acceptance is the order of sending is the order of resending [MQTT-4.6.0-1], over any number of links.
struct OutboundFlow: Sendable, Equatable {
    enum State: UInt8, Sendable {
        /// Accepted. Can transition to: `queued` when stored.
        case storing
        /// May be sent. Can transition to: `sent`; `complete` when withdrawn.
        case queued
        /// PUBLISH was sent, on this link or an earlier one. Can transition to: `complete` by PUBACK;
        /// `storingReceived` or `received` by PUBREC.
        case sent
        /// PUBREC came, which is being stored. Can transition to: `received`; `queued` when the broker lost the session.
        case storingReceived
        /// PUBREL goes out. No PUBLISH again [MQTT-4.3.3-1]. Can transition to: `complete` by PUBCOMP;
        /// `queued` when the broker lost the session.
        case received
        /// Done; waits for older ones to leave the ring.
        case complete
    }

    struct Publish: Sendable, Equatable {
        var state: State
        var qos: QoS
        /// It takes one of the places in flight.
        var isCounted = false
        /// Went out before under this identifier, so the next time has DUP [MQTT-3.3.1-1].
        var wasSent = false
        var queuedBytes: UInt32
        /// The application has given it up, and knows. Only the exchange is still to be ended, for its identifier's sake.
        var isGivenUp = false
        /// When PUBREC came, in the order of PUBRECs: that of PUBRELs [MQTT-4.6.0-4].
        var receivedOrder: UInt32 = 0
    }

    private(set) var publishes: SequenceRing<Publish>
    /// All below went out on this link, as far as they were due.
    private var cursor: Serial
    /// All below went out on some link, as far as they were due.
    private var sentEnd: Serial
    private var inFlight = 0
    private var exactlyOnceInFlight = 0
    private var receivedCount: UInt32 = 0
    private(set) var atLeastOnceCount = 0
    private(set) var exactlyOnceCount = 0
    private(set) var queuedBytes = 0

    init(firstSerial: Serial = 0) {
        publishes = SequenceRing(base: firstSerial)
        cursor = firstSerial
        sentEnd = firstSerial
    }

    // MARK: The application

    func refusal(_ qos: QoS, queuedBytes bytes: Int, _ limits: Limits) -> Refusal? {
        let (count, limit) = qos == .atLeastOnce ? (atLeastOnceCount, limits.atLeastOnce) : (exactlyOnceCount, limits.exactlyOnce)
        if limit == 0 { return .disabled }
        return count >= limit || queuedBytes + bytes > limits.queuedBytes ? .tooManyRequests : nil
    }

    mutating func accept(_ qos: QoS, queuedBytes bytes: Int, isStored: Bool) -> Serial {
        let serial = publishes.end
        publishes.append(Publish(state: isStored ? .queued : .storing, qos: qos, queuedBytes: UInt32(clamping: bytes)))
        if qos == .atLeastOnce { atLeastOnceCount += 1 } else { exactlyOnceCount += 1 }
        queuedBytes += bytes
        return serial
    }

    mutating func stored(_ serial: Serial) {
        guard publishes.contains(serial), publishes[serial].state == .storing else { return }
        publishes[serial].state = .queued
    }

    /// Whether it was never sent, and so could be taken back.
    mutating func withdraw(_ serial: Serial) -> Bool {
        // A publish whose session was lost counts as never sent under its identifier, but it may have arrived.
        guard publishes.contains(serial), serial >= sentEnd else { return false }
        guard publishes[serial].state == .storing || publishes[serial].state == .queued else { return false }
        complete(serial)
        return true
    }

    enum AbandonOutcome: Equatable {
        case refused
        case complete
        case released
    }

    /// Gives up a publish that PUBREC has not come for: its payload cannot be sent again.
    ///
    /// At QoS 2 the broker may have got an earlier PUBLISH, and then keeps the identifier until PUBREL [MQTT-4.3.3-2]: a later
    /// message under it would be dropped as a repetition. So PUBREL goes out on the next link as if PUBREC had come.
    mutating func abandon(_ serial: Serial, isDurable: Bool) -> AbandonOutcome {
        guard publishes.contains(serial) else { return .refused }
        switch publishes[serial].state {
        case .sent where publishes[serial].qos == .exactlyOnce:
            release(serial, isDurable: isDurable)
            publishes[serial].isGivenUp = true
            return .released
        case .storing, .queued, .sent:
            complete(serial)
            return .complete
        case .storingReceived, .received, .complete: return .refused
        }
    }

    // MARK: The link

    mutating func linkLost() {
        cursor = publishes.base
        inFlight = 0
        exactlyOnceInFlight = 0
    }

    /// The session at the broker goes on: PUBRELs first, in the order of their PUBRECs [MQTT-4.6.0-4]; they take no place in flight.
    mutating func resume(into effects: inout Effects) {
        linkLost()
        var released: [Serial] = []
        for serial in publishes.base..<max(sentEnd, publishes.base) {
            publishes[serial].isCounted = false
            if publishes[serial].state == .received { released.append(serial) }
        }
        // The count may wrap within the ones at hand, so their distance tells.
        released.sort { Int32(bitPattern: publishes[$0].receivedOrder &- publishes[$1].receivedOrder) < 0 }
        for serial in released { effects.append(.send(.pubrel(PublishID.of(serial)))) }
    }

    /// The broker has forgotten the session. What it had half done goes out again as a new message: nothing is lost.
    /// Returns what a durable session has to write down: publishes past PUBREC are not received again, and of those that were
    /// given up nothing is left.
    mutating func restart(isDurable: Bool, into effects: inout Effects) -> [StoreRecord] {
        linkLost()
        var records: [StoreRecord] = []
        var givenUp: [Serial] = []
        var affected: [Serial] = []
        for serial in publishes.base..<max(sentEnd, publishes.base) {
            publishes[serial].isCounted = false
            switch publishes[serial].state {
            case .received, .storingReceived:
                if publishes[serial].isGivenUp {
                    givenUp.append(serial)
                    continue
                }
                publishes[serial].state = isDurable ? .storing : .queued
                // The exchange that the identifier belonged to is gone: this is a new one.
                publishes[serial].wasSent = false
                records.append(.notReceived(serial))
                affected.append(serial)
            case .sent:
                // PUBLISH may have arrived, and only the broker's memory would keep the next one from doubling it.
                if publishes[serial].qos == .exactlyOnce { affected.append(serial) }
            case .storing, .queued, .complete: break
            }
        }
        for serial in affected { effects.append(.sessionLost(serial)) }
        for serial in givenUp { complete(serial) }
        return records + givenUp.map { .removePublish($0) }
    }

    /// Sends what is due, in order, as far as the places in flight allow.
    mutating func pump(_ limits: Limits, into effects: inout Effects) {
        // An identifier is free again when the publish `PublishID.count` before has left the ring [MQTT-2.3.1-2].
        let end = min(publishes.end, publishes.base + UInt64(PublishID.count))
        while cursor < end, inFlight < limits.inFlight {
            let publish = publishes[cursor]
            switch publish.state {
            case .storing: return
            case .queued, .sent:
                if publish.qos == .exactlyOnce {
                    guard exactlyOnceInFlight < limits.exactlyOnceInFlight else { return }
                    exactlyOnceInFlight += 1
                }
                effects.append(.sendPublish(cursor, PublishID.of(cursor), isDuplicate: publish.wasSent))
                publishes[cursor].state = .sent
                publishes[cursor].wasSent = true
                publishes[cursor].isCounted = true
                inFlight += 1
            case .storingReceived, .received, .complete: break
            }
            cursor += 1
            sentEnd = max(sentEnd, cursor)
        }
    }

    // MARK: The broker

    /// The publish that an acknowledgement is about, when it was sent on this link. Else the acknowledgement is ignored.
    private func sent(_ packetID: PacketID, _ qos: QoS) -> Serial? {
        guard let serial = PublishID.sequence(of: packetID, from: publishes.base), serial < cursor else { return nil }
        return publishes[serial].qos == qos ? serial : nil
    }

    mutating func puback(_ packetID: PacketID) -> Serial? {
        guard let serial = sent(packetID, .atLeastOnce), publishes[serial].state == .sent else { return nil }
        complete(serial)
        return serial
    }

    enum PubrecOutcome: Equatable {
        case ignored
        case store(Serial)
        case release
    }

    mutating func pubrec(_ packetID: PacketID, isDurable: Bool) -> PubrecOutcome {
        guard let serial = sent(packetID, .exactlyOnce) else { return .ignored }
        switch publishes[serial].state {
        case .sent:
            release(serial, isDurable: isDurable)
            return isDurable ? .store(serial) : .release
        case .received: return .release  // each PUBREC is answered, the repeated one too [MQTT-4.3.3-1]
        case .storing, .queued, .storingReceived, .complete: return .ignored
        }
    }

    /// From now on PUBREL goes out instead of PUBLISH.
    private mutating func release(_ serial: Serial, isDurable: Bool) {
        publishes[serial].receivedOrder = receivedCount
        receivedCount &+= 1
        publishes[serial].state = isDurable ? .storingReceived : .received
    }

    /// Whether PUBREL may go out now.
    mutating func receivedStored(_ serial: Serial) -> Bool {
        guard publishes.contains(serial), publishes[serial].state == .storingReceived else { return false }
        publishes[serial].state = .received
        // A link on which it was given up ends: its last PUBLISH may be incomplete.
        return !(publishes[serial].isGivenUp && publishes[serial].isCounted)
    }

    enum PubcompOutcome: Equatable {
        case ignored
        case complete(Serial)
        /// The application knows its end already.
        case forget(Serial)
    }

    mutating func pubcomp(_ packetID: PacketID) -> PubcompOutcome {
        guard let serial = PublishID.sequence(of: packetID, from: publishes.base), publishes.contains(serial) else { return .ignored }
        guard publishes[serial].state == .received else { return .ignored }
        let isGivenUp = publishes[serial].isGivenUp
        complete(serial)
        return isGivenUp ? .forget(serial) : .complete(serial)
    }

    private mutating func complete(_ serial: Serial) {
        let publish = publishes[serial]
        publishes[serial].state = .complete
        if publish.isCounted {
            inFlight -= 1
            if publish.qos == .exactlyOnce { exactlyOnceInFlight -= 1 }
        }
        if publish.qos == .atLeastOnce { atLeastOnceCount -= 1 } else { exactlyOnceCount -= 1 }
        queuedBytes -= Int(publish.queuedBytes)
        while !publishes.isEmpty, publishes[publishes.base].state == .complete { publishes.removeFirst() }
        cursor = max(cursor, publishes.base)
    }
}
