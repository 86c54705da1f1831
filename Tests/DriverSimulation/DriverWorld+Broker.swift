import MQTTCore
import MQTTTesting
import Simulation

/// The broker model in the world: what it sends goes into the wires, and what it owns is checked.
extension DriverWorld {
    func drainBroker() {
        for output in broker.takeOutputs() {
            switch output {
            case .send(let id, let bytes): brokerSends(bytes, id.number)
            case .close(let id): brokerCloses(id.number)
            case .published(let publish):
                if publish.clientID == DriverWorld.neighbourID { arrivedFromNeighbour(publish) } else { arrived(publish) }
            }
        }
        if let violation = broker.violations.first { machine.fail(.brokerViolation, "\(violation)") }
        guard let deadline = broker.nextDeadline else { return }
        if let at = brokerTickAt, at <= deadline { return }
        let at = max(machine.now, deadline)
        brokerTickAt = at
        machine.after(at - machine.now) { [self] in
            guard brokerTickAt == at else { return }
            brokerTickAt = nil
            broker.tick(at: machine.now)
            drainBroker()
        }
    }

    private func brokerSends(_ bytes: [UInt8], _ number: Int) {
        guard number < DriverWorld.intruders, wires[number - 1].isOpenAtBroker else { return }
        let wire = wires[number - 1]
        let exactlyOnce = wire.watch.sent(byBroker: bytes)
        if !wire.isNeighbours {
            if bytes.starts(with: [0x20, 2, 0, 0]) { wire.begunEpoch = epoch }
            for (packetID, name) in exactlyOnce where staleIdentifiers.sent(packetID, epoch: epoch) {
                receipts.excuse(Payloads.index(of: name))
            }
        }
        wire.toClient.append(bytes)
        wire.moveToClient()
    }

    private func brokerCloses(_ number: Int) {
        broker.connectionClosed(.init(number), at: machine.now)
        guard number < DriverWorld.intruders, wires[number - 1].isOpenAtBroker else { return }
        let wire = wires[number - 1]
        machine.trace.note(machine.now, .brokerCloses, UInt64(number), text: "the broker closes \(number)")
        wire.isOpenAtBroker = false
        if wire.isClean { epoch += 1 }
        wire.toClient.isEnding = true
        wire.moveToClient()
    }

    func endAtBroker(_ wire: Wire) {
        guard wire.isOpenAtBroker else { return }
        wire.isOpenAtBroker = false
        machine.trace.note(machine.now, .brokerClosed, UInt64(wire.number), text: "the broker is told the end of \(wire.number)")
        broker.connectionClosed(.init(wire.number), at: machine.now)
        if wire.isClean { epoch += 1 }
        drainBroker()
        // Its own end follows.
        wire.toClient.isEnding = true
        wire.moveToClient()
    }

    func brokerHasWritten(_ count: Int, _ wire: Wire) {
        broker.written(count, to: .init(wire.number), at: machine.now)
        drainBroker()
    }

    func brokerReceives(_ bytes: [UInt8], _ wire: Wire) {
        for seen in wire.watch.sent(byClient: bytes) {
            switch seen {
            case .disorder(let packetID): machine.fail(.acknowledgedInOrder, "PUBLISH \(packetID) is answered out of turn")
            case .acknowledgement(let name) where wire.isNeighbours: check(neighbour.acknowledged(Payloads.index(of: name)))
            case .connect where wire.isNeighbours, .more where wire.isNeighbours: break
            case .connect(let isClean):
                wire.isClean = isClean
                if isClean { epoch += 1 }
            case .more: if let epoch = wire.begunEpoch { staleIdentifiers.see(epoch: epoch) }
            case .acknowledgement(let name): check(receipts.acknowledged(Payloads.index(of: name)))
            case .disconnect: break
            }
        }
        broker.received(bytes, from: .init(wire.number), at: machine.now)
        drainBroker()
    }

    private func arrived(_ publish: ReceivedPublish) {
        guard let name = Payloads.name(ofIntact: publish.payload, direction: 1), let qos = Payloads.qos(of: name),
            qos.rawValue == publish.qos
        else { return machine.fail(.payloadIntact, "the broker got a damaged payload") }
        let index = Payloads.index(of: name)
        machine.trace.note(machine.now, .arrival, UInt64(index), text: "the broker owns message \(index) at QoS \(publish.qos)")
        check(publishes.arrive(index, size: publish.payload.count, epoch: epoch))
        passToNeighbour(index)
    }

    // MARK: Another client

    /// Publishes to what the client under test subscribes to.
    func publishFromElsewhere() {
        guard !isCalm, !isEnding || isDown else { return }
        machine.after(1 + machine.dice.below(plan.elsewherePause * 2)) { [self] in publishFromElsewhere() }
        let qos = QoS(rawValue: UInt8(machine.dice.below(3))) ?? .atMostOnce
        let queue = machine.dice.below(plan.queues)
        let isStreamed = plan.streamShare > 0 && machine.dice.chance(plan.streamShare, in: 100)
        let size = isStreamed ? machine.dice.within(262_145...700_000) : payloadSize()
        let origin = receipts.publish(queue: queue, qos: qos, size: size, epoch: epoch)
        var payload: [UInt8] = []
        payload.reserveCapacity(size)
        Payloads.append(Payloads.name(direction: 2, qos, origin), size: size, to: &payload)
        let before = broker.pendingCount(of: DriverWorld.clientID)
        broker.publish(
            BrokerMessage(topic: Array("down/\(queue)".utf8), payload: payload, qos: qos.rawValue, retain: false), at: machine.now)
        if broker.pendingCount(of: DriverWorld.clientID) > before { receipts.owe(origin) }
        drainBroker()
    }

    func payloadSize() -> Int {
        if plan.bigShare > 0, machine.dice.chance(plan.bigShare, in: 100) { return machine.dice.within(100...12_000) }
        return machine.dice.within(Payloads.minimum...40)
    }

    // MARK: What goes wrong

    func fault() {
        guard !isCalm, !isOver else { return }
        let isOnline = currentWire != nil
        machine.after(1 + machine.dice.below(plan.faultPause * (isOnline ? 2 : 20))) { [self] in fault() }
        let kind = machine.dice.pick(
            [
                .cuts, .cuts, .cuts, .halfOpen, .stalls, .stalls, .restarts, .sessionLoss, .takeOvers, .duplicates, .garbage, .clocks,
                .crashes, .crashes, .badDisks,
            ] as [Faults])
        guard settings.faults.contains(kind) else { return }
        machine.trace.note(machine.now, .fault, UInt64(kind.rawValue), text: "fault: \(kind.names)")
        switch kind {
        case .cuts: (machine.dice.chance(1, in: 3) ? neighboursWire ?? currentWire : currentWire)?.cut()
        case .halfOpen: halfOpen()
        case .stalls: stall()
        case .restarts:
            machine.marks.hit(.restart)
            broker.restart(keepingState: true, at: machine.now)
        case .sessionLoss:
            epoch += 1
            machine.marks.hit(.sessionLoss)
            broker.dropSession(DriverWorld.clientID, at: machine.now)
        case .takeOvers: takeOver()
        case .duplicates:
            if broker.duplicateLastPublish(to: DriverWorld.clientID, at: machine.now) { machine.marks.hit(.duplicateInbound) }
        case .garbage: sendGarbage()
        case .crashes: planCrash()
        case .badDisks: breakDisk()
        case .clocks: slept += Int64(machine.dice.within(1...100)) * second
        default: break
        }
        drainBroker()
    }

    private func halfOpen() {
        guard let wire = currentWire else { return }
        machine.marks.hit(.halfOpen)
        wire.goSilent()
        if machine.dice.chance(1, in: 2) { endAtBroker(wire) } else { wire.reset() }
    }

    private func stall() {
        guard let wire = currentWire else { return }
        machine.marks.hit(.stall)
        wire.stall(toBroker: machine.dice.chance(1, in: 2), for: machine.dice.below(machine.dice.pick([10 * millisecond, 3 * second])))
    }

    private func sendGarbage() {
        let garbage: [[UInt8]] = [
            [0xF0, 0], [0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1], [0x40, 2, 0, 0], [0x36, 4, 0, 1, 65, 1], [0x20, 2, 0, 0],
        ]
        guard broker.send(raw: machine.dice.pick(garbage), to: DriverWorld.clientID, at: machine.now) else { return }
        for wire in wires where wire.isOpenAtBroker && !wire.isNeighbours { wire.watch.isGarbled = true }
        machine.marks.hit(.garbage)
    }

    /// Another connection with the client's identifier takes its session, and leaves at once.
    private func takeOver() {
        machine.marks.hit(.takeOver)
        let id = BrokerModel.ConnectionID(DriverWorld.intruders + machine.steps)
        // A session that is lost and made anew by another connection is one that the client cannot know of.
        let isNew = !broker.hasSession(DriverWorld.clientID) || wires.last { !$0.isNeighbours }?.isClean == true
        let isClean = isNew || settings.faults.contains(.sessionLoss) && machine.dice.chance(1, in: 4)
        if isClean { epoch += 1 }
        broker.connectionOpened(id, at: machine.now)
        let name = Array(DriverWorld.clientID.utf8)
        let connect = [0x10, UInt8(12 + name.count), 0, 4, 0x4D, 0x51, 0x54, 0x54, 4, isClean ? 2 : 0, 0, 0, 0, UInt8(name.count)] + name
        broker.received(connect, from: id, at: machine.now)
        drainBroker()
        broker.connectionClosed(id, at: machine.now)
    }

    /// What the broker does wrong on a new connection.
    func brokerFaults(_ wire: Wire) -> ConnectionFaults {
        var faults = ConnectionFaults()
        guard !isCalm, !wire.isNeighbours else { return faults }
        if settings.faults.contains(.refusals) {
            if machine.dice.chance(1, in: 15) { faults.refusal = UInt8(machine.dice.within(1...5)) }
            if machine.dice.chance(1, in: 30) { faults.closesBeforeConnack = true }
        }
        if settings.faults.contains(.reorders), machine.dice.chance(1, in: 4) { faults.reorderSeed = machine.dice.bits() }
        if settings.faults.contains(.duplicates), machine.dice.chance(1, in: 6) { faults.duplicatesEvery = machine.dice.within(2...10) }
        if settings.faults.contains(.swallows), machine.dice.chance(1, in: 10) {
            faults.swallowedAcknowledgements = machine.dice.within(1...5)
            faults.answersPings = machine.dice.chance(1, in: 2)
            wire.isSwallowing = true
        }
        return faults
    }
}
