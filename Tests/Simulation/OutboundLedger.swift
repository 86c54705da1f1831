import MQTTCore

/// What the application handed over to be published, and everything that is known of each: the session's account is not asked.
struct OutboundLedger: Sendable {
    struct Publish: Sendable {
        enum Outcome: UInt8, Sendable { case none, acknowledged, withdrawn, dropped, notStored, unreadable, lost }

        var serial: Serial
        var qos: QoS
        var size: Int32
        var acceptedAt: Int64
        var outcome = Outcome.none
        /// PUBLISH went out so often.
        var sent: UInt16 = 0
        /// PUBREC came, and the broker has not lost the session since.
        var isReceived = false
        /// The exchange before was lost with its session: the next PUBLISH is a new one.
        var startsAnew = true
        /// The application cannot give its payload any more.
        var isAbandoned = false
        /// PUBACK or PUBCOMP came.
        var isAcknowledged = false
        var arrivals: UInt16 = 0
        /// The broker's session in which it arrived last.
        var arrivedIn = 0
        /// The link on which its loss with the session was reported last.
        var lossReportedOn: Link = 0
        var sentOn: Link = 0
        var releasedOn: Link = 0
        var receivedOrder: UInt32 = 0
        /// The commit before which PUBLISH must not go out. Zero is none.
        var publishCommit: UInt64 = 0
        /// The commit before which PUBREL must not go out.
        var receivedCommit: UInt64 = 0
        /// The commit that removes it, or says that it was given up. Zero is none.
        var removalCommit: UInt64 = 0

        // MARK: Over restarts
        /// That it is on disk was reported.
        var isStored = false
        var isInMemory = true
        /// Another process accepted it.
        var isResumed = false
        var isSentInThisRun = false
        /// It could not be read from the store, and another day it may.
        var isUnreadable = false
        /// It is not certain that the store has nothing of it.
        var mayComeBack = true
        /// It ended, and went on in the next process.
        var isBack = false
        // When the process ended, this was on disk: PUBREC, its end, that there was no PUBREC.
        var isReceptionSafe = false
        var isEndSafe = false
        var isLossSafe = false
        /// The order of its PUBREC among those of its process.
        var isOrderKnown = true
    }

    /// Numbers go on from each of these, the first of which belongs to the publish at that place.
    private var runs: [(first: Serial, start: Int)]
    /// Nothing was accepted in this process.
    var isFresh = true
    var publishes: [Publish] = []
    /// Identifiers in use, publishes and requests alike.
    var owners: [PacketID: Serial] = [:]
    private var requests: Set<PacketID> = []
    /// Of QoS 1 publishes that were given up after they may have been sent. Those identifiers are free, see Assumptions.md.
    var givenUp: Set<PacketID> = []
    var open = 0

    // MARK: The present link
    private var inFlight = 0
    private var exactlyOnceInFlight = 0
    private var lastSent = -1
    private var lastReleased: UInt32 = 0
    private var receivedCount: UInt32 = 0
    private var lastArrival = -1

    init(firstSerial: Serial) { runs = [(firstSerial, 0)] }

    typealias Finding = (Invariant, String)

    /// -1: it is nobody's.
    func index(_ serial: Serial) -> Int {
        var end = publishes.count
        for run in runs.reversed() {
            if serial >= run.first, serial - run.first < UInt64(end - run.start) { return run.start + Int(serial - run.first) }
            end = run.start
        }
        return -1
    }

    /// The number behind the last.
    private var nextSerial: Serial { runs[runs.count - 1].first + UInt64(publishes.count - runs[runs.count - 1].start) }

    subscript(serial: Serial) -> Publish {
        get { publishes[index(serial)] }
        set { publishes[index(serial)] = newValue }
    }

    mutating func accept(_ serial: Serial, _ qos: QoS, size: Int, at now: Int64) -> Finding? {
        if serial != nextSerial {
            // A new process may go on anywhere behind what there is.
            guard isFresh, publishes.allSatisfy({ $0.outcome != .none || $0.serial < serial }) else {
                return (.oneOutcome, "serial \(serial) is not the next")
            }
            runs.append((serial, publishes.count))
        }
        isFresh = false
        publishes.append(Publish(serial: serial, qos: qos, size: Int32(size), acceptedAt: now))
        open += 1
        return nil
    }

    // MARK: What the client sends

    /// PUBLISH goes out.
    mutating func send(
        _ serial: Serial, _ packetID: PacketID, isDuplicate: Bool, on link: Link, storedUpTo: UInt64, _ limits: Limits
    ) -> Finding? {
        let index = index(serial)
        guard publishes.indices.contains(index) else { return (.oneOutcome, "PUBLISH of \(serial), which was never accepted") }
        let publish = publishes[index]
        guard publish.outcome == .none else { return (.oneOutcome, "PUBLISH of \(serial) after its end") }
        if publish.isReceived { return (.exactlyOnce, "PUBLISH of \(serial) after its PUBREC") }
        if publish.publishCommit > storedUpTo { return (.storedBeforeSent, "PUBLISH of \(serial), which is not stored") }
        if let owner = owners[packetID], owner != serial { return (.identifierFree, "\(packetID) is that of \(owner), not \(serial)") }
        if requests.contains(packetID) { return (.identifierFree, "\(packetID) is that of a request") }
        if isDuplicate == publish.startsAnew { return (.duplicateFlag, "DUP is \(isDuplicate) in PUBLISH of \(serial)") }
        if index <= lastSent { return (.resendOrder, "PUBLISH of \(serial) behind a later one") }
        owners[packetID] = serial
        lastSent = index
        inFlight += 1
        publishes[index].sent += 1
        publishes[index].isSentInThisRun = true
        publishes[index].startsAnew = false
        publishes[index].sentOn = link
        if publish.qos == .exactlyOnce { exactlyOnceInFlight += 1 }
        if inFlight > limits.inFlight { return (.inFlightLimit, "\(inFlight) publishes are in flight") }
        if exactlyOnceInFlight > limits.exactlyOnceInFlight {
            return (.inFlightLimit, "\(exactlyOnceInFlight) publishes of QoS 2 are in flight")
        }
        return nil
    }

    mutating func sendPubrel(_ packetID: PacketID, on link: Link, storedUpTo: UInt64) -> Finding? {
        guard let serial = owners[packetID] else { return (.identifierFree, "PUBREL \(packetID) belongs to nothing") }
        let index = index(serial)
        // The exchange of one that was given up is ended, for its identifier's sake.
        if publishes[index].isAbandoned, publishes[index].outcome != .none { return nil }
        guard publishes[index].isReceived else { return (.exactlyOnce, "PUBREL \(packetID) before PUBREC") }
        if publishes[index].receivedCommit > storedUpTo { return (.storedBeforeSent, "PUBREL \(packetID) before PUBREC is stored") }
        defer { publishes[index].releasedOn = link }
        guard publishes[index].releasedOn != link, publishes[index].isOrderKnown else { return nil }
        // [MQTT-4.6.0-4]
        if publishes[index].receivedOrder < lastReleased { return (.pubrelOrder, "PUBREL \(packetID) behind that of a later PUBREC") }
        lastReleased = publishes[index].receivedOrder
        return nil
    }

    mutating func sendRequest(_ packetID: PacketID) -> Finding? {
        if packetID == 0 || owners[packetID] != nil || !requests.insert(packetID).inserted {
            return (.identifierFree, "a request takes identifier \(packetID), which is in use")
        }
        return nil
    }

    // MARK: What the broker sends

    /// What the next packet says about a publish, judged before the session sees it. Returns the publish that has to end now.
    mutating func receive(_ packet: InboundPacket, on link: Link) -> Serial? {
        switch packet {
        case .puback(let packetID):
            guard let serial = owners[packetID], self[serial].qos == .atLeastOnce, self[serial].sentOn == link else { return nil }
            self[serial].isAcknowledged = true
            return serial
        case .pubrec(let packetID):
            guard let serial = owners[packetID], self[serial].qos == .exactlyOnce, self[serial].sentOn == link else { return nil }
            guard !self[serial].isReceived, self[serial].outcome == .none else { return nil }
            receivedCount += 1
            self[serial].isReceived = true
            self[serial].isOrderKnown = true
            self[serial].receivedOrder = receivedCount
            return nil
        case .pubcomp(let packetID):
            guard let serial = owners[packetID] else { return nil }
            if self[serial].outcome != .none { owners[packetID] = nil }
            guard self[serial].outcome == .none, self[serial].isReceived, self[serial].releasedOn != 0 else { return nil }
            self[serial].isAcknowledged = true
            return serial
        case .suback(let packetID, _), .unsuback(let packetID):
            requests.remove(packetID)
            return nil
        case .connack, .publish, .pubrel, .pingresp: return nil
        }
    }

    func owner(of packetID: PacketID) -> Publish? { owners[packetID].map { self[$0] } }
    func isRequest(_ packetID: PacketID) -> Bool { requests.contains(packetID) }
    /// Requests that the broker owes an answer on this link, whether the application waits for it or not.
    var unansweredRequests: Int { requests.count }

    mutating func linkLost() {
        requests.removeAll()
        inFlight = 0
        exactlyOnceInFlight = 0
        lastSent = -1
        lastReleased = 0
    }

    mutating func sessionLost(_ serial: Serial, on link: Link, isDurable: Bool) {
        self[serial].lossReportedOn = link
        if self[serial].isReceived {
            // Not issued yet.
            if isDurable { self[serial].publishCommit = .max }
            self[serial].isReceived = false
            self[serial].startsAnew = true
            self[serial].releasedOn = 0
        }
    }

    /// After session-present 0 each QoS 2 publish that had gone out may be doubled, and its delivery has to say so.
    func unreportedLoss(on link: Link) -> Finding? {
        guard
            let index = publishes.firstIndex(where: {
                $0.outcome == .none && $0.qos == .exactlyOnce && !$0.startsAnew && $0.lossReportedOn != link
                    && $0.sentOn != link
            })
        else { return nil }
        return (.exactlyOnce, "the session of publish \(index) is lost, and that is not reported")
    }

    // MARK: Ends

    mutating func complete(_ serial: Serial, _ completion: Completion, on link: Link) -> Finding? {
        let index = index(serial)
        guard publishes.indices.contains(index), publishes[index].outcome == .none else { return (.oneOutcome, "\(serial) ends twice") }
        let publish = publishes[index]
        open -= 1
        switch completion {
        case .acknowledged:
            guard publish.isAcknowledged else { return (.oneOutcome, "\(serial) is complete without an acknowledgement") }
            if publish.arrivals == 0 { return (.atLeastOnce, "\(serial) is complete, and the broker never got it") }
            publishes[index].outcome = .acknowledged
        case .withdrawn:
            if publish.sent > 0, !publish.isAbandoned { return (.withdrawnNeverArrives, "\(serial) was sent before it was withdrawn") }
            publishes[index].outcome = .withdrawn
        case .evicted, .expired:
            publishes[index].outcome = .dropped
            publishes[index].isAbandoned = publish.sent > 0 || publish.isResumed
        case .notStored:
            if publish.isStored { return (.oneOutcome, "\(serial) is taken back after it was stored") }
            publishes[index].outcome = .notStored
        case .unreadable:
            if publish.isInMemory { return (.oneOutcome, "\(serial) is unreadable, and in memory") }
            publishes[index].outcome = .unreadable
            publishes[index].isUnreadable = true
            publishes[index].isAbandoned = publish.sent > 0 || publish.isResumed
        }
        if publish.sentOn == link, link != 0 {
            inFlight -= 1
            if publish.qos == .exactlyOnce { exactlyOnceInFlight -= 1 }
        }
        // The broker may have begun an exchange with what is given up.
        let packetID = PublishID.of(serial)
        if publishes[index].isAbandoned, publish.qos == .exactlyOnce, publish.sent > 0 || publish.isResumed {
            if publishes[index].outcome != .acknowledged { owners[packetID] = serial }
            return nil
        }
        if owners[packetID] == serial { owners[packetID] = nil }
        if publishes[index].isAbandoned, publishes[index].outcome != .acknowledged { givenUp.insert(packetID) }
        return nil
    }

    /// The broker took a message over.
    mutating func arrive(_ index: Int, epoch: Int) -> Finding? {
        guard publishes.indices.contains(index) else { return (.payloadIntact, "the broker got message \(index), which there is not") }
        publishes[index].arrivals += 1
        let publish = publishes[index]
        if publish.outcome != .none, publish.outcome != .acknowledged, !publish.isAbandoned {
            return (.withdrawnNeverArrives, "message \(index) arrived after its end: \(publish.outcome)")
        }
        // What came back after its end comes late.
        if publish.arrivals == 1, !publish.isBack {
            guard index > lastArrival else { return (.deliveredInOrder, "message \(index) arrived first behind \(lastArrival)") }
            lastArrival = index
        }
        publishes[index].arrivedIn = epoch
        if publish.qos == .exactlyOnce, publish.arrivals > 1, publish.arrivedIn == epoch {
            return (.exactlyOnce, "message \(index) arrived \(publish.arrivals) times within one session")
        }
        return nil
    }

    /// What went out in this process stays.
    func isDroppable(_ serial: Serial, perhapsSent: Bool) -> Finding? {
        if self[serial].isSentInThisRun { return (.oneOutcome, "\(serial) is dropped after it was sent") }
        if perhapsSent != self[serial].isResumed { return (.oneOutcome, "\(serial) is dropped, perhaps sent: \(perhapsSent)") }
        return nil
    }

    func isExpired(_ serial: Serial, _ age: Duration?, at now: Int64, isSteady: Bool) -> Finding? {
        guard let age else { return (.oneOutcome, "\(serial) is too old, and there is no bound") }
        // The wall's clock counts milliseconds.
        let isOld = now - self[serial].acceptedAt >= age.nanoseconds - 2 * millisecond
        return isOld || !isSteady ? nil : (.oneOutcome, "\(serial) is too old after \((now - self[serial].acceptedAt) / millisecond) ms")
    }

    mutating func abandon(_ index: Int) { publishes[index].isAbandoned = true }

    /// One of the latest that have no outcome, if there is one.
    func someOpen(_ dice: inout Dice) -> Int? {
        let candidates = publishes.indices.suffix(50).filter { publishes[$0].outcome == .none }
        return candidates.isEmpty ? nil : candidates[dice.below(candidates.count)]
    }

    /// The exchanges of what was given up are the broker's memory, and gone with it.
    mutating func forget() {
        for (packetID, serial) in owners where self[serial].outcome != .none { owners[packetID] = nil }
    }

    /// The oldest that has no outcome.
    func firstOpen() -> Int? { publishes.firstIndex { $0.outcome == .none } }
}
