import MQTTCore
import MQTTTesting

/// The broker model in the world: what it sends goes into the pipes, and what it owns is checked.
extension World {
    /// Connections of others, which only take the session over.
    static let intruders = 1_000_000

    mutating func drainBroker() {
        for output in broker.takeOutputs() {
            switch output {
            case .send(let id, let bytes): brokerSends(bytes, id.number)
            case .close(let id): brokerCloses(id.number)
            case .published(let publish): arrived(publish)
            }
        }
        if let violation = broker.violations.first { fail(.brokerViolation, "\(violation)") }
        guard let deadline = broker.nextDeadline else { return }
        if let at = brokerTickAt, at <= deadline { return }
        brokerTickAt = max(now, deadline)
        scheduler.schedule(.brokerTick, at: max(now, deadline))
    }

    mutating func tickBroker() {
        guard brokerTickAt == now else { return }
        brokerTickAt = nil
        broker.tick(at: now)
        drainBroker()
    }

    private mutating func brokerSends(_ bytes: [UInt8], _ number: Int) {
        guard number < World.intruders, connections[number - 1].isOpenAtBroker else { return }
        connections[number - 1].isAnswered = true
        connections[number - 1].toClient.append(bytes)
        move(Link(number), \.toClient, .arriveAtClient(Link(number)))
    }

    private mutating func brokerCloses(_ number: Int) {
        broker.connectionClosed(.init(number), at: now)
        guard number < World.intruders, connections[number - 1].isOpenAtBroker else { return }
        trace.note(now, .brokerCloses, UInt64(number), text: "broker closes \(number)")
        connections[number - 1].isOpenAtBroker = false
        if connections[number - 1].isClean { epoch += 1 }
        connections[number - 1].toClient.isEnding = true
        move(Link(number), \.toClient, .arriveAtClient(Link(number)))
    }

    private mutating func arrived(_ publish: ReceivedPublish) {
        guard let name = Payloads.name(ofIntact: publish.payload, direction: 1), let qos = Payloads.qos(of: name),
            qos.rawValue == publish.qos
        else { return fail(.payloadIntact, "the broker got a damaged payload") }
        let index = Payloads.index(of: name)
        trace.note(now, .arrival, UInt64(index), text: "broker owns message \(index) at QoS \(publish.qos)")
        if qos == .atMostOnce {
            check(volatile.arrive(index))
        } else {
            check(outbound.arrive(index, epoch: epoch))
            guard failure == nil else { return }
            if publish.payload.count != Int(outbound.publishes[index].size) { fail(.payloadIntact, "message \(index) is cut") }
        }
    }

    /// Another client publishes to the client under test.
    mutating func publishFromElsewhere() {
        guard !isCalm, !shell.isEnded else { return }
        after(1 + dice.below(plan.elsewherePause * 2), .publishFromElsewhere)
        let qos = QoS(rawValue: UInt8(dice.below(3))) ?? .atMostOnce
        let queue = dice.below(plan.queues)
        let size = payloadSize()
        let origin = inbound.publish(.init(qos: qos, queue: queue, size: Int32(size), epoch: epoch))
        var payload: [UInt8] = []
        payload.reserveCapacity(size)
        Payloads.append(Payloads.name(direction: 2, qos, origin), size: size, to: &payload)
        let before = broker.pendingCount(of: World.clientID)
        let topic: [UInt8] = Array("down/".utf8) + [UInt8(ascii: "0") + UInt8(queue)]
        broker.publish(BrokerMessage(topic: topic, payload: payload, qos: qos.rawValue, retain: false), at: now)
        if broker.pendingCount(of: World.clientID) > before { inbound.owe(origin) }
        drainBroker()
    }

    mutating func payloadSize() -> Int {
        if plan.bigShare > 0, dice.chance(plan.bigShare, in: 100) { return dice.within(100...plan.biggest) }
        return dice.within(Payloads.minimum...32)
    }
}
