/// The state of an MQTT session and of its current connection: what to say next, and to whom.
///
/// Events go in, effects come out, and the only way back is another event. There is no clock, no input or output, no lock
/// and no continuation in here; time is an argument, and chance is a seed. So a session can be compared, replayed and simulated.
package struct Session: Sendable, Equatable {
    let configuration: SessionConfiguration
    package private(set) var phase = Phase.idle
    var outbound: OutboundFlow
    var inbound = InboundFlow()
    var requests = RequestFlow()
    var commits: CommitFlow
    var keepAlive: KeepAlive
    private var reconnection: Reconnection
    private var lastLink: Link = 0
    /// CONNECT asks for an empty session until one was accepted.
    private var asksForCleanSession: Bool
    /// A first attempt that fails may be the end, see `retriesFirstConnect`.
    private var wasOnline = false
    private var leaveTicket: Ticket?
    /// No attempts until they are asked for.
    private var isPaused = false
    /// The last commit failed: nothing new is accepted until one succeeds.
    var storeIsFailing = false
    /// Given up because the store has lost them, which it does not say itself yet.
    var unstoredLosses: [Serial] = []

    /// - Parameter firstSerial: Where the order of acceptance begins. See ``resume(_:)`` for a session that goes on.
    package init(_ configuration: SessionConfiguration, seed: UInt64, firstSerial: Serial = 0) {
        self.configuration = configuration
        outbound = OutboundFlow(firstSerial: firstSerial, memoryLimit: configuration.isDurable ? configuration.limits.memoryBytes : .max)
        asksForCleanSession = configuration.cleanSession || configuration.alwaysCleanSession
        commits = CommitFlow(isDurable: configuration.isDurable)
        keepAlive = KeepAlive(pauseTimeout: configuration.pauseTimeout, keepAliveSeconds: configuration.keepAliveSeconds)
        reconnection = Reconnection(
            minimum: configuration.reconnectMinimum, maximum: configuration.reconnectMaximum, stableTime: configuration.stableTime,
            seed: seed)
    }

    /// The only door. Total: no event traps, whatever the peer sends and whenever it comes.
    package mutating func step(_ event: Event, at now: Instant, into effects: inout Effects) {
        if !unstoredLosses.isEmpty { storeLosses(into: &effects) }
        switch event {
        case .start: if phase == .idle { if isPaused { phase = .waiting(until: .never) } else { dial(into: &effects) } }
        case .publish(let qos, let queuedBytes): publish(qos, queuedBytes: queuedBytes, at: now, into: &effects)
        case .withdraw(let serial): withdraw(serial, into: &effects)
        case .evict(let serial): evict(serial, into: &effects)
        case .evictOldest(let qos): evict(outbound.evictable(qos), into: &effects)
        case .abandon(let serial): abandon(serial, at: now, into: &effects)
        case .subscribe(let ticket, let filters): request(ticket, .subscribe(filters: filters), at: now, into: &effects)
        case .unsubscribe(let ticket): request(ticket, .unsubscribe, at: now, into: &effects)
        case .ping(let ticket): request(ticket, .ping, at: now, into: &effects)
        case .cancel(let ticket): requests.cancel(ticket, into: &effects)
        case .release(let receipt): release(receipt, into: &effects)
        case .disconnect(let ticket): disconnect(ticket, into: &effects)
        case .close: if phase != .ended { end(.local, into: &effects) }
        case .pace(let pace): set(pace, at: now, into: &effects)
        case .linkOpened(let link): linkOpened(link, at: now, into: &effects)
        case .linkClosed(let link): if phase.link == link { lose(.closed, at: now, into: &effects) }
        case .packet(let packet): received(packet, at: now, into: &effects)
        case .payloadCompleted: payloadCompleted(into: &effects)
        case .violation(let violation): fail(.violation(violation), at: now, into: &effects)
        case .received(let midPacket): keepAlive.received(midPacket: midPacket, at: now)
        case .reading(let isReading): keepAlive.reading(isReading, at: now)
        case .written(let pending): keepAlive.written(pending: pending, at: now)
        case .stored(let number): stored(upTo: number, into: &effects)
        case .storeFailed: storeFailed(into: &effects)
        case .loaded(let serial):
            outbound.loaded(serial)
            pump(into: &effects)
        case .unreadable(let serial): unreadable(serial, into: &effects)
        case .tick: tick(at: now, into: &effects)
        case .slept(let nanoseconds): slept(for: nanoseconds, at: now, into: &effects)
        }
    }

    /// When `tick` is due. It moves with every event; the driver owns exactly one timer.
    package var deadline: Instant? {
        guard let age = configuration.limits.queuedAge?.nanoseconds, phase != .ended, let expiry = outbound.expiry(age) else {
            return linkDeadline
        }
        return linkDeadline.map { min($0, expiry) } ?? expiry
    }

    private var linkDeadline: Instant? {
        switch phase {
        case .idle, .connecting, .ended: return nil
        case .waiting(let until): return until == .never ? nil : until
        case .handshaking: return keepAlive.silence(awaitsConnack: true, awaitsPing: false)?.0
        case .leaving: return keepAlive.silence(awaitsConnack: false, awaitsPing: false)?.0
        case .online:
            let silence = keepAlive.silence(awaitsConnack: false, awaitsPing: requests.awaitsPing)?.0
            guard let ping = keepAlive.pingDue(awaitsPing: requests.awaitsPing) else { return silence }
            guard let silence else { return ping }
            return min(silence, ping)
        }
    }

    /// The receipt that the next message gets: those below belong to messages that came before.
    package var nextReceipt: Receipt { inbound.nextReceipt }

    /// Whether a request made now would wait for the attempt that is under way.
    package var attemptIsUnderWay: Bool {
        switch phase {
        case .idle, .connecting, .handshaking: !reconnection.hasFailed
        case .waiting: !reconnection.hasFailed && !isPaused
        case .online, .leaving, .ended: false
        }
    }

    // MARK: Connecting

    private mutating func dial(into effects: inout Effects) {
        lastLink += 1
        phase = .connecting(lastLink)
        effects.append(.dial(lastLink))
    }

    private mutating func linkOpened(_ link: Link, at now: Instant, into effects: inout Effects) {
        guard phase == .connecting(link) else { return }
        phase = .handshaking(link)
        keepAlive.linkOpened(at: now)
        effects.append(.sendConnect(cleanSession: asksForCleanSession))  // [MQTT-3.1.0-1]
    }

    private mutating func connack(
        sessionPresent: Bool, _ code: ReasonCode, _ link: Link, at now: Instant, into effects: inout Effects
    ) {
        guard code == .success else { return fail(.refused(code), at: now, into: &effects) }
        if sessionPresent, asksForCleanSession {  // [MQTT-3.2.2-1]
            return fail(.violation(.sessionPresentAfterClean), at: now, into: &effects)
        }
        phase = .online(link)
        wasOnline = true
        asksForCleanSession = configuration.alwaysCleanSession
        reconnection.online(at: now)
        effects.append(.online(sessionPresent: sessionPresent))
        if sessionPresent { outbound.resume(into: &effects) } else { restart(into: &effects) }
        requests.online(into: &effects)
        pump(into: &effects)
    }

    private mutating func restart(into effects: inout Effects) {
        let records = outbound.restart(isDurable: configuration.isDurable, into: &effects)
        let forgot = inbound.forget()
        guard configuration.isDurable else { return }
        for record in records { commits.store(record, into: &effects) }
        if forgot { commits.store(.removeAllInbound, into: &effects) }
    }

    mutating func pump(into effects: inout Effects) {
        guard case .online = phase else { return }
        outbound.pump(configuration.limits, into: &effects)
    }

    // MARK: Losing the connection

    /// Gives the connection up.
    mutating func fail(_ loss: LinkLoss, at now: Instant, into effects: inout Effects) {
        guard let link = phase.link else { return }
        effects.append(.hangUp(link))
        lose(loss, at: now, into: &effects)
    }

    /// The link is gone: everything that belonged to it ends, the rest waits for the next one.
    private mutating func lose(_ loss: LinkLoss, at now: Instant, into effects: inout Effects) {
        if case .leaving = phase { return end(.local, into: &effects) }
        let isOnline = if case .online = phase { true } else { false }
        linkLost(.connectionLost, into: &effects)
        effects.append(isOnline ? .offline(loss) : .attemptFailed(loss))
        if !wasOnline, !configuration.retriesFirstConnect { return end(loss, into: &effects) }
        let next = reconnection.next(after: loss, at: now)
        phase = .waiting(until: isPaused ? .never : next)
        if reconnection.hasFailed || isPaused { requests.refuseWaiting(.down, into: &effects) }
    }

    private mutating func set(_ pace: Pace, at now: Instant, into effects: inout Effects) {
        switch pace {
        case .now:
            isPaused = false
            reconnection.startOver()
        case .never: isPaused = true
        case .soon, .slow: if isPaused { return }
        }
        guard case .waiting = phase else { return }
        if pace == .now { return dial(into: &effects) }
        phase = .waiting(until: reconnection.pause(pace, from: now))
        if isPaused { requests.refuseWaiting(.down, into: &effects) }
    }

    private mutating func linkLost(_ resolution: Resolution, into effects: inout Effects) {
        outbound.linkLost()
        inbound.linkLost()
        requests.linkLost(resolution, into: &effects)
    }

    // MARK: Ending

    private mutating func disconnect(_ ticket: Ticket, into effects: inout Effects) {
        switch phase {
        case .online(let link):
            phase = .leaving(link)
            leaveTicket = ticket
            requests.linkLost(.closed, into: &effects)
            effects.append(.send(.disconnect))
            effects.append(.hangUpAfterFlush(link))  // [MQTT-3.14.4-1] [MQTT-3.14.4-2]
        case .idle, .connecting, .handshaking, .waiting:
            effects.append(.resolved(ticket, .down))
            end(.local, into: &effects)
        case .leaving, .ended:
            effects.append(.resolved(ticket, .closed))
        }
    }

    private mutating func end(_ loss: LinkLoss, into effects: inout Effects) {
        if let link = phase.link { effects.append(.hangUp(link)) }
        phase = .ended
        linkLost(.closed, into: &effects)
        requests.refuseWaiting(.closed, into: &effects)
        if let leaveTicket { effects.append(.resolved(leaveTicket, .done)) }
        leaveTicket = nil
        effects.append(.ended(loss))
    }

    // MARK: Time

    private mutating func tick(at now: Instant, into effects: inout Effects) {
        expire(at: now, into: &effects)
        switch phase {
        case .idle, .connecting, .ended: break
        case .waiting(let until): if now >= until { dial(into: &effects) }
        case .handshaking: giveUpIfSilent(awaitsConnack: true, at: now, into: &effects)
        case .leaving: giveUpIfSilent(awaitsConnack: false, at: now, into: &effects)
        case .online:
            if let due = keepAlive.pingDue(awaitsPing: requests.awaitsPing), due <= now {
                keepAlive.pinged(awaitsPing: requests.awaitsPing, at: now)
                requests.ping(into: &effects)
            }
            giveUpIfSilent(awaitsConnack: false, at: now, into: &effects)
        }
    }

    /// What was waited for may be over, and the connection gone: that is found out now, not when a timer is due that slept along.
    private mutating func slept(for nanoseconds: Int64, at now: Instant, into effects: inout Effects) {
        switch phase {
        case .waiting: if !isPaused { set(.now, at: now, into: &effects) }
        case .online:
            if keepAlive.isOver(after: nanoseconds) { return fail(.silent(.asleep), at: now, into: &effects) }
            keepAlive.pinged(awaitsPing: requests.awaitsPing, at: now)
            requests.ping(into: &effects)
        case .idle, .connecting, .handshaking, .leaving, .ended: break
        }
    }

    private mutating func giveUpIfSilent(awaitsConnack: Bool, at now: Instant, into effects: inout Effects) {
        guard let (due, silence) = keepAlive.silence(awaitsConnack: awaitsConnack, awaitsPing: requests.awaitsPing) else { return }
        if due <= now { fail(.silent(silence), at: now, into: &effects) }
    }

    // MARK: Requests

    private mutating func request(_ ticket: Ticket, _ kind: RequestFlow.Kind, at now: Instant, into effects: inout Effects) {
        let request = RequestFlow.Request(ticket: ticket, kind: kind)
        if requests.count >= configuration.limits.requests { return effects.append(.resolved(request.ticket, .tooManyRequests)) }
        switch phase {
        case .online:
            if request.kind == .ping { keepAlive.pinged(awaitsPing: requests.awaitsPing, at: now) }
            requests.send(request, into: &effects)
        case .idle, .connecting, .handshaking, .waiting:
            // They wait for the attempt under way, and fail from the first failed attempt until one succeeds.
            guard configuration.requestsWait, !reconnection.hasFailed, !isPaused else {
                return effects.append(.resolved(request.ticket, .down))
            }
            requests.wait(request)
        case .leaving, .ended: effects.append(.resolved(request.ticket, .closed))
        }
    }

    // MARK: Packets

    private mutating func received(_ packet: InboundPacket, at now: Instant, into effects: inout Effects) {
        switch phase {
        case .handshaking(let link):
            guard case .connack(let sessionPresent, let code) = packet else {  // [MQTT-3.2.0-1]
                return fail(.violation(.connackMissing), at: now, into: &effects)
            }
            connack(sessionPresent: sessionPresent, code, link, at: now, into: &effects)
        case .online: receivedOnline(packet, at: now, into: &effects)
        // After DISCONNECT nothing is answered [MQTT-3.14.4-2], and without a link nothing can come.
        case .leaving, .idle, .connecting, .waiting, .ended: break
        }
    }

    private mutating func receivedOnline(_ packet: InboundPacket, at now: Instant, into effects: inout Effects) {
        switch packet {
        case .publish(let publish):
            if publish.qos != .atMostOnce, inbound.isFull { return fail(.violation(.identifiersExhausted), at: now, into: &effects) }
            inbound.publish(publish, commits: &commits, into: &effects)
        case .puback(let packetID): complete(outbound.puback(packetID), into: &effects)
        case .pubrec(let packetID): pubrec(packetID, into: &effects)
        case .pubrel(let packetID):
            if inbound.isFull { return fail(.violation(.identifiersExhausted), at: now, into: &effects) }
            inbound.pubrel(packetID, commits: &commits, into: &effects)
        case .pubcomp(let packetID): pubcomp(packetID, into: &effects)
        case .suback(let packetID, let codes):
            do throws(ProtocolViolation) {
                try requests.suback(packetID, codes: codes, into: &effects)
            } catch {
                fail(.violation(error), at: now, into: &effects)
            }
        case .unsuback(let packetID): requests.unsuback(packetID, into: &effects)
        case .pingresp: requests.pingresp(into: &effects)
        case .connack: fail(.violation(.connackRepeated), at: now, into: &effects)
        }
    }
}
