@_spi(Driver) internal import MQTTCore
internal import NIOCore

/// Everything behind the engine's lock: the session, what it sends, and what waits for it.
struct EngineState: ~Copyable {
    /// What a publish of QoS 1 or 2 became.
    enum Acceptance {
        case accepted(Serial)
        case refused(Refusal)
    }

    /// What is to be done with the message of a PUBLISH packet.
    enum Disposal {
        case deliver(Receipt)
        case discard
    }

    var session: Session
    /// Of the step at hand.
    private var now = Instant(nanoseconds: 0)
    /// Of the attempt under way, or the next.
    var connect: Connect
    var health = RouteHealth(count: 1, stableTime: 0)
    var reactions: [ConnectRefusal: ReconnectPolicy.Reaction] = [:]
    /// What the step at hand has shown about the next attempt.
    private var reaction: Reaction?
    /// Whether the client ends when each broker failed once, and none was ever reached.
    var endsWithoutSuccess = false
    private enum Reaction {
        case pace(Pace)
        case end(MQTTError)
    }
    /// Why the client ends, when a refusal is the end.
    private var endError: MQTTError?
    private var effects = Effects()
    var outbound = OutboundBuffer()
    /// By serial number, as the session counts them.
    var publishes: PagedRing<DeliveryRecord>
    /// Of a durable session, until it ends.
    var store: StoreLink?
    /// In milliseconds since 1970.
    let wallClock: @Sendable () -> Int64
    /// With ``QueueFullAction/keepNewestPerTopic``.
    var topics: TopicQueue?
    /// Whether publishes grow too old in the queue.
    var hasQueuedAge = false
    var requests: [Ticket: OpenRequest] = [:]
    /// Those of them that were sent.
    private var sentRequests: Set<Ticket> = []
    private var lastTicket: Ticket = 0
    /// The connection that the outbound buffer belongs to.
    private(set) var link: Link = 0
    /// How much the operating system took of each of the last connections.
    private var finalPositions: [Link: UInt64] = [:]
    private var writtenWaits: [(position: UInt64, eventual: Eventual<Void>)] = []
    private var roomWait: Eventual<Void>?
    private var queueWait: Eventual<Void>?
    private var attemptWait: Eventual<Void>?
    var drainWaits: [Eventual<Void>] = []

    /// For the loop and for after the lock.
    var loopWork = LoopWork()
    var aftermath = Aftermath()
    /// Told in the order of the steps, whoever has made them.
    var changesToTell: [Aftermath.Change] = []
    var isTellingChanges = false
    var isWakeScheduled = false
    /// The loop is at it, and comes back for more by itself.
    var isWriting = false
    /// Why the connection that is about to be reported lost is lost.
    var dialFailure: MQTTError?
    /// Why the last one was lost.
    private var lastLoss: MQTTError?

    /// Acknowledgements in a read, roughly.
    private static let acknowledgedTogether = 32

    var checkedTopic = CheckedTopic()
    /// What a step is about.
    private var submission: DeliveryRecord?
    private var acceptance: Acceptance?
    private var disposal: Disposal?
    private var subackCodes: [UInt8] = []

    init(session: Session, connect: Connect, wallClock: @escaping @Sendable () -> Int64) {
        self.session = session
        publishes = PagedRing(base: session.outboundEnd)
        self.connect = connect
        self.wallClock = wallClock
    }

    // MARK: Steps

    mutating func step(_ event: Event, at now: Instant) {
        self.now = now
        session.step(event, at: now, into: &effects)
        // One after the other, so that carrying an effect out may change the state, and nothing has to be counted.
        var index = 0
        while index < effects.count {
            carryOut(effects[index])
            index += 1
        }
        effects.removeAll()
        // Each step looks at it, and does not copy it.
        if reaction != nil { react(at: now) }
    }

    private mutating func react(at now: Instant) {
        switch reaction.take() {
        case nil: break
        case .pace(let pace): step(.pace(pace), at: now)
        case .end(let error):
            endError = error
            step(.close, at: now)
        }
    }

    /// Whether a publish of QoS 0 goes out at once: no other effect can come of it.
    var transmits: Bool { session.phase.passesAtMostOnce }

    /// A publish of QoS 0 is in the outbound buffer.
    var transmitted: Transmission { .buffered(link, position: outbound.appended) }

    /// Why a publish of QoS 0 does not go out.
    mutating func refusalToTransmit() -> Transmission {
        session.step(.publish(qos: .atMostOnce, queuedBytes: 0), at: now, into: &effects)
        defer { effects.removeAll() }
        if case .refused(let refusal) = effects.list.first { return .refused(refusal) }
        return .refused(.closed)
    }

    /// Accepts a publish of QoS 1 or 2, or refuses it.
    mutating func submit(_ record: DeliveryRecord, _ qos: QoS, queuedBytes: Int, at now: Instant) -> Acceptance {
        submission = record
        step(.publish(qos: qos, queuedBytes: queuedBytes), at: now)
        submission = nil
        defer { acceptance = nil }
        return acceptance ?? .refused(.closed)
    }

    mutating func request(_ request: OpenRequest, at now: Instant, _ event: (Ticket) -> Event) -> Ticket {
        lastTicket += 1
        requests[lastTicket] = request
        step(event(lastTicket), at: now)
        return lastTicket
    }

    /// Whether a message of QoS 0 is handed over at once: no other effect can come of it.
    var passesMessages: Bool { session.phase.passesAtMostOnce }

    /// What to do with the message of a PUBLISH. Nil when the session does not take it.
    mutating func publish(_ publish: InboundPublish, at now: Instant) -> Disposal? {
        if publish.qos == .atMostOnce, passesMessages { return .deliver(0) }
        step(.packet(.publish(publish)), at: now)
        defer { disposal = nil }
        return disposal
    }

    mutating func suback(_ packet: InboundPacket, codes: [UInt8], at now: Instant) {
        subackCodes = codes
        step(.packet(packet), at: now)
        subackCodes = []
    }

    // MARK: Effects

    private mutating func carryOut(_ effect: Effect) {
        switch effect {
        case .dial(let link): loopWork.dial = link
        case .sendConnect(let cleanSession): sendConnect(cleanSession)
        case .send(let packet): outbound.append(packet)
        case .transmit: break  // see transmits
        case .sendPublish(let serial, let packetID, let isDuplicate): sendPublish(serial, packetID, isDuplicate)
        case .sendSubscribe(let ticket, let packetID), .sendUnsubscribe(let ticket, let packetID): sendRequest(ticket, packetID)
        case .hangUp(let link): loopWork.hangUps.append(link)
        case .hangUpAfterFlush(let link): loopWork.hangUpAfterFlush = link
        case .accepted(let serial): accept(serial)
        case .refused(let refusal): acceptance = .refused(refusal)
        case .completed(let serial, let completion): complete(serial, completion)
        case .sessionLost(let serial): interrupt(serial, LinkLoss.sessionLost)
        case .resolved(let ticket, let resolution): resolve(ticket, resolution)
        case .deliver(let receipt): disposal = .deliver(receipt)
        case .discard: disposal = .discard
        case .online(let sessionPresent):
            // Here, because the packets behind CONNACK may be in the same batch: they have receipts when observers hear of it.
            note(.online(sessionPresent: sessionPresent, firstReceipt: session.nextReceipt))
            health.online(at: now)
            endsWithoutSuccess = false
            resumeAttemptWait()
        case .offline(let loss): lost(loss, wasOnline: true)
        case .attemptFailed(let loss): lost(loss, wasOnline: false)
        case .ended(let loss): end(loss)
        case .store(let record, let number): store(record, number)
        case .stored(let serial): stored(serial)
        case .unload(let serial): unload(serial)
        case .load(let serial): store?.load(serial)
        }
    }

    private mutating func sendConnect(_ cleanSession: Bool) {
        link = session.phase.link ?? link
        outbound.removeAll()
        var packet = connect
        packet.cleanSession = cleanSession
        outbound.append(length: packet.encodedLength) { writer in packet.encode(into: &writer) }
    }

    private mutating func accept(_ serial: Serial) {
        guard let record = submission.take() else { return }
        if topics != nil, let publication = record.publication { topics?.accepted(serial, publication.qos, publication.topic) }
        publishes.insert(record, at: serial)
        acceptance = .accepted(serial)
    }

    private mutating func sendPublish(_ serial: Serial, _ packetID: PacketID, _ isDuplicate: Bool) {
        publishes[serial]?.send(serial, packetID, isDuplicate, lastTopic: checkedTopic, to: &outbound)
    }

    private mutating func sendRequest(_ ticket: Ticket, _ packetID: PacketID) {
        sentRequests.insert(ticket)
        switch requests[ticket] {
        case .subscribe(let packet, _, _):
            outbound.append(length: packet.encodedLength) { writer in packet.encode(packetID: packetID, into: &writer) }
        case .unsubscribe(let packet, _):
            outbound.append(length: packet.encodedLength) { writer in packet.encode(packetID: packetID, into: &writer) }
        case .ping, .leave, nil: break
        }
    }

    private mutating func complete(_ serial: Serial, _ completion: Completion) {
        if let record = publishes.remove(serial) {
            if case .acknowledged(let code) = completion {
                // Mostly others follow in the same read.
                if aftermath.acknowledged.isEmpty { aftermath.acknowledged.reserveCapacity(Self.acknowledgedTogether) }
                aftermath.acknowledged.append(Aftermath.Acknowledged(record: record, code: code))
            } else {
                aftermath.completions.append((record, completion.result(store?.failure)))
            }
        }
        resumeQueueWait()
        resumeDrains()
    }

    private mutating func interrupt(_ serial: Serial, _ error: MQTTError) {
        guard let record = publishes[serial] else { return }
        aftermath.interruptions.append((record, error))
    }

    private mutating func resolve(_ ticket: Ticket, _ resolution: Resolution) {
        let wasSent = sentRequests.remove(ticket) != nil
        guard let request = requests.removeValue(forKey: ticket) else { return }
        aftermath.resolutions.append(Aftermath.Resolved(request: request, resolution: resolution, codes: subackCodes, wasSent: wasSent))
    }

    // MARK: Losses

    private mutating func lost(_ loss: LinkLoss, wasOnline: Bool) {
        let error = loss.error(wasOnline: wasOnline, detail: dialFailure)
        dialFailure = nil
        lastLoss = error
        let unsent = discardOutbound()
        if wasOnline {
            var interruption = error
            interruption.fate = .kept
            for serial in publishes.numbers() where publishes[serial]?.wasSent == true { interrupt(serial, interruption) }
        }
        if !session.attemptIsUnderWay { resumeAttemptWait() }
        reaction = reaction(to: error, wasOnline: wasOnline)
        note(wasOnline ? .offline(error, unsentBytes: unsent) : .attemptFailed(error))
    }

    private mutating func reaction(to error: MQTTError, wasOnline: Bool) -> Reaction? {
        if health.lost(at: now) { return .pace(.soon) }
        if wasOnline { return nil }
        if endsWithoutSuccess { return .end(error) }
        guard let refusal = ConnectRefusal(error) else { return nil }
        switch reactions[refusal] ?? .retrySlowly {
        case .retrySlowly: return .pace(.slow)
        case .retryQuickly: return .pace(.soon)
        case .pause: return .pace(.never)
        case .end: return .end(error)
        }
    }

    /// What the operating system has not taken is gone. Returns the number of bytes.
    private mutating func discardOutbound() -> Int {
        let unsent = outbound.pending
        if finalPositions[link] == nil { finalPositions[link] = outbound.written }
        // Handles of QoS 0 are asked at once or never; those of connections long ago are not worth memory.
        if finalPositions.count > 64, let oldest = finalPositions.keys.min() { finalPositions[oldest] = nil }
        for wait in writtenWaits { aftermath.written.append((wait.eventual, .failure(LinkLoss.interrupted))) }
        writtenWaits = []
        resumeRoomWaits()
        outbound.removeAll()
        return unsent
    }

    private mutating func end(_ loss: LinkLoss) {
        let error = lastLoss ?? loss.error(wasOnline: false, detail: nil)
        _ = discardOutbound()
        var unstored: [DeliveryRecord] = []
        var suspended: [(DeliveryRecord, MQTTError)] = []
        for record in publishes.numbers().compactMap({ publishes[$0] }) {
            if store != nil, !record.isStored {
                unstored.append(record)
            } else {
                let error = store == nil ? LinkLoss.suspended(wasSent: record.wasSent) : LinkLoss.suspendedInStore
                suspended.append((record, error))
            }
        }
        publishes.removeAll()
        resumeQueueWait()
        resumeDrains()
        resumeAttemptWait()
        note(.ended(loss == .local ? endError : error, suspended: suspended, unstored: unstored))
    }

    private mutating func note(_ change: Aftermath.Change) {
        changesToTell.append(change)
        aftermath.hasChanges = true
    }

    // MARK: Waits for the outbound buffer

    /// A wait for the operating system to take everything up to the position. Nil when it has.
    mutating func waitUntilWritten(_ link: Link, _ position: UInt64) -> Eventual<Void>? {
        if link != self.link || finalPositions[link] != nil {
            return finalPositions[link, default: 0] >= position ? nil : Eventual(.failure(LinkLoss.interrupted))
        }
        guard outbound.written < position else { return nil }
        if let known = writtenWaits.last(where: { $0.position <= position }), known.position == position { return known.eventual }
        let eventual = Eventual<Void>()
        // Positions are handed out in order, so the list is sorted but for waits that came late.
        let index = writtenWaits.lastIndex { $0.position <= position }.map { $0 + 1 } ?? 0
        writtenWaits.insert((position, eventual), at: index)
        return eventual
    }

    /// A wait for room in the outbound buffer, one for all: those who give up leave nothing behind.
    mutating func waitForRoom() -> Eventual<Void> {
        let eventual = roomWait ?? Eventual()
        roomWait = eventual
        return eventual
    }

    /// A wait for the end of the attempt to connect that is under way. Nil when there is none.
    mutating func waitForAttempt() -> Eventual<Void>? {
        guard session.attemptIsUnderWay else { return nil }
        let eventual = attemptWait ?? Eventual()
        attemptWait = eventual
        return eventual
    }

    private mutating func resumeAttemptWait() {
        if let attemptWait { aftermath.written.append((attemptWait, .success(()))) }
        attemptWait = nil
    }

    /// The operating system took bytes.
    mutating func wrote(_ bytes: Int, limit: Int, at now: Instant) {
        outbound.wrote(bytes)
        // Nothing is with the channel now. What is written next says so when the channel does not take it at once.
        step(.written(pending: 0), at: now)
        while let first = writtenWaits.first, first.position <= outbound.written {
            aftermath.written.append((first.eventual, .success(())))
            writtenWaits.removeFirst()
        }
        if outbound.bufferedBytes <= limit / 2 { resumeRoomWaits() }
        resumeDrains()
    }

    /// A wait for one of the accepted publishes to end, one for all. Nil when there is none that could.
    mutating func waitForQueue() -> Eventual<Void>? {
        guard session.outboundCount > 0 else { return nil }
        let eventual = queueWait ?? Eventual()
        queueWait = eventual
        return eventual
    }

    private mutating func resumeQueueWait() {
        if let queueWait { aftermath.written.append((queueWait, .success(()))) }
        queueWait = nil
    }

    private mutating func resumeRoomWaits() {
        if let roomWait { aftermath.written.append((roomWait, .success(()))) }
        roomWait = nil
    }

    var isDrained: Bool { session.outboundCount == 0 && outbound.pending == 0 }

    private mutating func resumeDrains() {
        guard !drainWaits.isEmpty, isDrained || session.phase == .ended else { return }
        for eventual in drainWaits { aftermath.written.append((eventual, .success(()))) }
        drainWaits = []
    }
}
