@testable import MQTTCore

/// Events in any order, from the application, the network, the store and the clock. Nothing traps the session, and whatever comes, it
/// keeps the rules that SessionLedger holds it to.
func fuzzSession(_ bytes: [UInt8]) {
    var input = Input(bytes)
    var fuzz = SessionFuzz(&input)
    while !input.isAtEnd { fuzz.act(&input) }
    fuzz.finish()
}

private struct SessionFuzz {
    private var session: Session
    private var ledger: SessionLedger
    private var effects = Effects()
    private var now: Int64 = 0
    private var lastTicket: Ticket = 0
    private let firstSerial: Serial

    init(_ input: inout Input) {
        var configuration = SessionConfiguration()
        let choice = input.byte()
        configuration.isDurable = choice & 1 != 0
        configuration.cleanSession = choice & 2 != 0
        configuration.alwaysCleanSession = choice & 4 != 0
        configuration.retriesFirstConnect = choice & 8 == 0
        configuration.requestsWait = choice & 16 == 0
        configuration.keepAliveSeconds = choice & 32 != 0 ? 0 : 5
        configuration.pauseTimeout = choice & 64 != 0 ? 0 : 1_000_000_000
        configuration.limits.atLeastOnce = 1 + input.number(below: 8)
        configuration.limits.exactlyOnce = 1 + input.number(below: 8)
        configuration.limits.inFlight = 1 + input.number(below: 4)
        configuration.limits.exactlyOnceInFlight = 1 + input.number(below: 4)
        configuration.limits.requests = 1 + input.number(below: 4)
        configuration.limits.queuedBytes = 1_000
        let age = input.byte()
        configuration.limits.queuedAge = age < 64 ? .milliseconds(Int(age) * 100 + 100) : nil
        configuration.limits.memoryBytes = Int(age) * 8
        // Just before the packet identifiers begin again, or not.
        firstSerial = choice & 128 != 0 ? UInt64(PublishID.count) - 2 : 0
        session = Session(configuration, seed: 1, firstSerial: firstSerial)
        ledger = SessionLedger(configuration)
    }

    // MARK: Events

    mutating func act(_ input: inout Input) {
        switch input.number(below: 28) {
        case 0: step(.start)
        case 1: step(.publish(qos: qos(&input), queuedBytes: Int(input.byte())))
        case 2: step(.publish(qos: .exactlyOnce, queuedBytes: 1))
        case 3: step(.withdraw(serial(&input)))
        case 4:
            step(.abandon(serial(&input)))
            if let link = session.phase.link { step(.linkClosed(link)) }  // as the driver has to
        case 5: step(.subscribe(newTicket(), filters: 1 + input.number(below: 2)))
        case 6: step(.unsubscribe(newTicket()))
        case 7: step(.ping(newTicket()))
        case 8: step(.cancel(lastTicket &- UInt64(input.number(below: 4))))
        case 9, 10: step(.release(session.nextReceipt &- UInt64(input.number(below: 8))))
        case 11: if input.byte() > 250 { step(.disconnect(newTicket())) }
        case 12: if input.byte() > 250 { step(.close) }
        case 13: step(.linkOpened(link(&input)))
        case 14: step(.linkClosed(link(&input)))
        case 15: online(sessionPresent: input.flag())
        case 16, 17: step(.packet(packet(&input)))
        case 18: step(.payloadCompleted)
        case 19: if input.byte() > 250 { step(.violation(.malformedText)) }
        case 20: step(.stored(upTo: ledger.lastCommit - min(ledger.lastCommit, UInt64(input.number(below: 4)))))
        case 21: silence(&input)
        case 22: tick()
        case 23: input.flag() ? step(.evict(serial(&input))) : step(.evictOldest(qos(&input)))
        case 24: step(.storeFailed)
        case 25, 26: if let serial = ledger.absent.min() { step(.loaded(serial)) }
        case 27: if input.byte() > 200, let serial = ledger.absent.min() { step(.unreadable(serial)) }
        default: now += Int64(input.byte()) * 20_000_000
        }
    }

    private func qos(_ input: inout Input) -> QoS { QoS(rawValue: UInt8(input.number(below: 3))) ?? .atMostOnce }

    private func serial(_ input: inout Input) -> Serial { firstSerial &+ UInt64(input.byte()) }

    private mutating func newTicket() -> Ticket {
        lastTicket += 1
        ledger.requested(lastTicket)
        return lastTicket
    }

    private func link(_ input: inout Input) -> Link {
        let current = session.phase.link ?? 0
        return input.byte() < 8 ? current &- 1 : current
    }

    /// What brings a session online, which chance alone would take long for.
    private mutating func online(sessionPresent: Bool) {
        if session.phase == .idle { step(.start) }
        if case .waiting(let until) = session.phase {
            now = max(now, until.nanoseconds)
            step(.tick)
        }
        guard case .connecting(let link) = session.phase else { return }
        step(.linkOpened(link))
        step(.packet(.connack(sessionPresent: sessionPresent && !ledger.asksForCleanSession, .success)))
    }

    private func packet(_ input: inout Input) -> InboundPacket {
        let kind = input.byte()
        let number = input.byte()
        // Of its own publishes, of its requests, or the broker's own.
        let outbound = PublishID.of(firstSerial &+ UInt64(number & 15))
        let request = PacketID(1 + number % 16)
        switch kind % 14 {
        case 0: return .connack(sessionPresent: number & 1 != 0, ReasonCode(rawValue: number % 6))
        case 1, 2, 3:
            let qos = QoS(rawValue: kind % 14 - 1) ?? .atMostOnce
            return .publish(InboundPublish(qos: qos, packetID: qos == .atMostOnce ? 0 : request, isComplete: number < 224))
        case 4, 5: return .puback(number == 255 ? request : outbound)
        case 6, 7: return .pubrec(number == 255 ? request : outbound)
        case 8: return .pubrel(request)
        case 9, 10: return .pubcomp(number == 255 ? request : outbound)
        case 11: return .suback(request, codes: 1 + Int(number >> 7))
        case 12: return .unsuback(request)
        default: return .pingresp
        }
    }

    private mutating func silence(_ input: inout Input) {
        switch input.number(below: 6) {
        case 0: step(.received(midPacket: true))
        case 1: step(.received(midPacket: false))
        case 2: step(.reading(false))
        case 3: step(.reading(true))
        case 4: step(.written(pending: Int(input.byte())))
        default: step(.written(pending: 0))
        }
    }

    private mutating func tick() {
        guard let deadline = session.deadline else { return step(.tick) }
        now = max(now, deadline.nanoseconds)
        step(.tick)
        require(session.deadline.map { $0.nanoseconds > now } ?? true, "after a tick the deadline is still in the past")
    }

    // MARK: Steps

    private mutating func step(_ event: Event) {
        // A packet cannot come within another.
        if case .packet = event, ledger.isMidPayload { step(.payloadCompleted) }
        effects.removeAll()
        session.step(event, at: Instant(nanoseconds: now), into: &effects)
        if isTracing { print(now, event, "->", effects.list) }
        ledger.happened(event)
        for effect in effects.list { ledger.carryOut(effect) }
    }

    mutating func finish() {
        step(.close)
        require(session.phase == .ended, "closed it is \(session.phase)")
        require(session.deadline == nil, "an ended session has a deadline")
        ledger.checkEnd()
    }
}
