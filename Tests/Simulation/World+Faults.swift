import MQTTCore
import MQTTTesting

/// What goes wrong, at random moments.
extension World {
    mutating func fault() {
        guard !isCalm, !shell.isEnded else { return }
        if shell.isDown { return after(plan.faultPause, .fault) }
        // Without a connection there is little to break.
        after(1 + dice.below(plan.faultPause * (shell.isOnline ? 2 : 20)), .fault)
        let kind = dice.pick(
            [
                .cuts, .cuts, .cuts, .halfOpen, .halfOpen, .stalls, .stalls, .restarts, .sessionLoss, .takeOvers, .duplicates, .garbage,
                .payloadLoss, .crashes, .crashes, .badDisks,
            ] as [Faults])
        guard settings.faults.contains(kind) else { return }
        if kind == .crashes || kind == .badDisks, !plan.configuration.isDurable { return }
        trace.note(now, .fault, UInt64(kind.rawValue), text: "fault: \(kind.names)")
        switch kind {
        case .cuts: cut()
        case .halfOpen: dice.chance(1, in: 2) ? loseBroker() : loseClient()
        case .stalls: stall()
        case .restarts:
            marks.hit(.restart)
            broker.restart(keepingState: true, at: now)
            drainBroker()
        case .sessionLoss: loseSession()
        case .takeOvers: takeOver()
        case .duplicates:
            _ = broker.duplicateLastPublish(to: World.clientID, at: now)
            drainBroker()
        case .garbage: sendGarbage()
        case .payloadLoss: losePayload()
        case .crashes: planCrash()
        case .badDisks: failDisk()
        default: break  // the others happen where they belong
        }
    }

    private var currentLink: Link? { shell.link != 0 && shell.isOpen ? shell.link : nil }

    /// Both ends learn of it, each in its time; what was on its way is lost from some byte on.
    mutating func cut() {
        guard let link = currentLink else { return }
        let index = Int(link) - 1
        connections[index].toBroker.truncate(to: dice.below(connections[index].toBroker.count + 1))
        connections[index].toClient.truncate(to: dice.below(connections[index].toClient.count + 1))
        connections[index].toBroker.isEnding = true
        connections[index].toClient.isEnding = true
        connections[index].toBroker.isStalled = false
        connections[index].toClient.isStalled = false
        connections[index].toBroker.isBroken = false
        connections[index].toClient.isBroken = false
        move(link, \.toBroker, .arriveAtBroker(link))
        move(link, \.toClient, .arriveAtClient(link))
        // A client that does not read still learns of a reset.
        if !shell.isReading { after(plan.delay, .closeAtClient(link)) }
    }

    /// The broker's end is gone, and the client is not told.
    private mutating func loseBroker() {
        guard let link = goSilent() else { return }
        closeAtBroker(link)
    }

    /// The client's end is gone, and the broker is not told.
    private mutating func loseClient() {
        guard let link = goSilent() else { return }
        closeAtClient(link)
    }

    /// Nothing passes on the current link any more, in either direction, and neither end is told.
    private mutating func goSilent() -> Link? {
        guard let link = currentLink else { return nil }
        marks.hit(.halfOpen)
        let index = Int(link) - 1
        connections[index].toBroker.isBroken = true
        connections[index].toBroker.isStalled = true
        connections[index].toClient.isBroken = true
        connections[index].toClient.isStalled = true
        // Nor does an end that was on its way come through: what is sent now fills the buffers, as with any peer that is silent.
        connections[index].toBroker.isEnding = false
        connections[index].toClient.isEnding = false
        return link
    }

    private mutating func stall() {
        guard let link = currentLink else { return }
        marks.hit(.stall)
        let index = Int(link) - 1
        let pause = plan.configuration.pauseTimeout
        let time = dice.below(dice.pick([10 * millisecond, max(pause, second) * 2]))
        if dice.chance(1, in: 2) {
            connections[index].toBroker.isStalled = true
            after(time, .resumeToBroker(link))
        } else {
            connections[index].toClient.isStalled = true
            after(time, .resumeToClient(link))
        }
    }

    private mutating func loseSession() {
        epoch += 1
        broker.dropSession(World.clientID, at: now)
        drainBroker()
    }

    /// The source of a payload fails, perhaps in the middle of its PUBLISH: the connection ends, whether the driver closes it or the
    /// session does, and the publish is given up.
    private mutating func losePayload() {
        guard let index = outbound.someOpen(&dice) else { return }
        marks.hit(.payloadLoss)
        if let link = currentLink, dice.chance(1, in: 2) {
            cut()
            closeAtClient(link)
        }
        outbound.abandon(index)
        step(.abandon(outbound.publishes[index].serial))
    }

    /// The client gives such a broker up, and tries again.
    private mutating func sendGarbage() {
        guard let link = currentLink, connections[Int(link) - 1].isOpenAtBroker else { return }
        let garbage: [[UInt8]] = [
            [0xF0, 0], [0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1], [0x40, 2, 0, 0], [0x36, 4, 0, 1, 65, 1], [0x20, 2, 0, 0],
        ]
        guard broker.send(raw: dice.pick(garbage), to: World.clientID, at: now) else { return }
        connections[Int(link) - 1].isGarbled = true
        marks.hit(.garbage)
        drainBroker()
    }

    /// Another connection with the client's identifier takes its session, and leaves at once.
    private mutating func takeOver() {
        marks.hit(.takeOver)
        let id = BrokerModel.ConnectionID(World.intruders + steps)
        let isClean = settings.faults.contains(.sessionLoss) && dice.chance(1, in: 4)
        if isClean || connections.last?.isClean == true { epoch += 1 }
        broker.connectionOpened(id, at: now)
        broker.received(World.intruderConnect(isClean: isClean), from: id, at: now)
        drainBroker()
        broker.connectionClosed(id, at: now)
        drainBroker()
    }

    private static func intruderConnect(isClean: Bool) -> [UInt8] {
        let name = Array(clientID.utf8)
        return [0x10, UInt8(12 + name.count), 0, 4, 0x4D, 0x51, 0x54, 0x54, 4, isClean ? 2 : 0, 0, 0, 0, UInt8(name.count)] + name
    }

    /// What the broker does wrong on a new connection.
    mutating func brokerFaults(_ link: Link) -> ConnectionFaults {
        var faults = ConnectionFaults()
        guard !isCalm else { return faults }
        if settings.faults.contains(.refusals) {
            if dice.chance(1, in: 15) { faults.refusal = UInt8(dice.within(1...5)) }
            if dice.chance(1, in: 30) { faults.closesBeforeConnack = true }
        }
        if settings.faults.contains(.reorders), dice.chance(1, in: 4) { faults.reorderSeed = dice.bits() }
        if settings.faults.contains(.duplicates), dice.chance(1, in: 6) { faults.duplicatesEvery = dice.within(2...10) }
        if settings.faults.contains(.swallows), dice.chance(1, in: 10) {
            faults.swallowedAcknowledgements = dice.within(1...5)
            faults.answersPings = dice.chance(1, in: 2)
            connections[Int(link) - 1].isSwallowing = true
        }
        return faults
    }
}
