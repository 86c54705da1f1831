import DiskSimulation
import MQTT
import MQTTCore
import MQTTPersistence
import Simulation

/// The processes that the client has one after another, each with what the one before has left on the disk.
extension DriverWorld {
    // MARK: The beginning

    func beginProcess() {
        guard let client = makeClient() else { return }
        process += 1
        self.client = client
        runTask = task("runs the client", isWork: false) { [self] in await run(client, $0) }
        if process > 1 {
            machine.marks.hit(.resumed)
            let count = publishes.items.count
            task("finds deliveries again") { [self] in await findAgain(client, before: count, $0) }
        }
        for _ in 0..<plan.publishers { task("publisher") { [self] in await publisher(client, $0) } }
        for queue in 0..<plan.queues { task("subscriber", isWork: false) { [self] in await subscriber(client, queue, $0) } }
        if plan.isAttended { task("collector", isWork: false) { [self] in await collector(client, $0) } }
        task("requester") { [self] in await requester(client, $0) }
        task("observer", isWork: false) { [self] in await observer(client, $0) }
    }

    /// Perhaps with some crashes while the store is read.
    private func makeClient() -> MQTTClient? {
        while true {
            if process > 0, !isCalm, machine.dice.chance(1, in: 4) {
                disk.set(SimulatedDisk.Faults(stopAfter: disk.operations + machine.dice.within(1...4)))
            }
            do throws(MQTTError) {
                let client = try MQTTClient(configuration(), eventLoopGroup: machine.loop)
                disk.set(SimulatedDisk.Faults())
                // What was torn is nothing that anybody was told of: what was stored is looked for below.
                if !isTorn, let damage = client.storeDamage.first { machine.fail(.storedSurvives, "damage: \(damage)") }
                return client
            } catch {
                guard disk.hasStopped else {
                    machine.fail(.phases, "no client: \(error)")
                    return nil
                }
                machine.marks.hit(.crashWhileOpening)
                crashDisk(.powerCut(.anySectors))
            }
        }
    }

    private func configuration() -> Configuration {
        var configuration = plan.configuration
        equip(&configuration, SimulatedDialer(self))
        guard let store = plan.store else { return configuration }
        configuration.session = .durable(id: DriverWorld.clientID, in: SimulatedStore(store, self, process: process + 1))
        configuration.surroundings.storeWriter = StoreWriter(on: SimulatedWriterThread(machine, slowness: plan.slowness))
        return configuration
    }

    /// With the world in place of the machine that it runs on.
    func equip(_ configuration: inout Configuration, _ dialer: SimulatedDialer) {
        dialers.append(Weak(dialer))
        configuration.dialer = dialer
        configuration.sleepClocks = SleepClocks(
            suspending: VirtualClock(world: self, isContinuous: false), continuous: VirtualClock(world: self, isContinuous: true))
        configuration.surroundings.random = { [machine] in machine.dice.bits() }
        configuration.surroundings.wallClock = { [machine] in 1_700_000_000_000 + machine.now / millisecond }
    }

    // MARK: The end

    /// A fault: the process ends now, wherever it is interrupted next, or at one of the next writes.
    func planCrash() {
        guard plan.store != nil, !isDown else { return }
        let kind = machine.dice.chance(1, in: 3) ? CrashKind.kill : .powerCut(machine.dice.pick(SimulatedDisk.Crash.allCases))
        switch machine.dice.below(3) {
        case 0: crash(kind)
        case 1: machine.interruption = (machine.dice.within(1...40), { [self, process] in if process == self.process { crash(kind) } })
        default:
            crashAtWrite = kind
            disk.set(SimulatedDisk.Faults(stopAfter: disk.operations + machine.dice.within(1...10)))
        }
    }

    /// From this moment on the process has no effect, whatever it does until its tasks have ended: nothing that it sends leaves it,
    /// nothing that it writes stays, and nobody hears what it says.
    func crash(_ kind: CrashKind) {
        guard !isDown, !isCalm, !isEnding, machine.failure == nil, let client else { return }
        isDown = true
        isEnding = true
        // What a failed sync left with the operating system looks like a file to the next process, and may not be one: Format.md.
        let kind = kind == .kill && storeFailures > 0 ? .powerCut(.nothing) : kind
        machine.trace.note(machine.now, .phase, text: "--- the process ends: \(kind)")
        machine.marks.hit(kind == .kill ? .kill : .powerCut)
        crashDisk(kind)
        for wire in wires where !wire.isNeighbours && wire.isOpenAtClient && (wire.isOpenAtBroker || wire.channel?.isActive == true) {
            wire.orphan(isMute: kind != .kill && machine.dice.chance(1, in: 2))
        }
        publishes.processEnded(mayEvict: plan.mayEvict)
        receipts.processEnded()
        staleIdentifiers.processEnded(epoch: epoch)
        // Its tasks are ended in an orderly way, since they cannot be taken away.
        for wait in endWaits { wait.resume() }
        endWaits = []
        task("end of the process") { _ in await client.close() }
    }

    private func crashDisk(_ kind: CrashKind) {
        var random = SeededGenerator(seed: machine.dice.bits())
        switch kind {
        case .kill: disk = disk.crashed(.everything, &random)
        case .powerCut(let crash):
            disk = disk.crashed(crash, &random)
            isTorn = isTorn || crash == .anySectors
        }
        (crashAtWrite, storeFailures) = (nil, 0)
    }

    /// When the last task of a process has ended, the next one begins.
    func restartIfEnded() {
        guard isDown, live.isEmpty else { return }
        machine.trace.note(machine.now, .phase, text: "--- a new process")
        (isDown, isEnding) = (false, false)
        runTask = nil
        beginProcess()
    }

    // MARK: The store

    func storeBegins(_ changes: [StoreChange], _ process: Int) {
        if process == self.process, !isDown { staleIdentifiers.attempt(changes) }
    }

    func storeFailed(_ error: MQTTError, _ process: Int) -> MQTTError {
        guard process == self.process, !isDown else { return error }
        isTorn = true
        if disk.hasStopped { crash(crashAtWrite ?? .powerCut(.nothing)) }
        storeFailures += 1
        machine.marks.hit(.storeFailure)
        return error
    }

    func storeSucceeded(_ changes: [StoreChange], _ process: Int) {
        guard process == self.process, !isDown else { return }
        storeFailures = 0
        staleIdentifiers.succeed(changes)
    }

    /// A fault: the disk is full, or does not do what it should, for a while.
    func breakDisk() {
        guard plan.store != nil, !isDown, crashAtWrite == nil else { return }
        var faults = SimulatedDisk.Faults()
        if machine.dice.chance(1, in: 2) {
            machine.marks.hit(.diskFull)
            faults.capacity = disk.totalSize + machine.dice.below(200)
        } else {
            let next = disk.operations + 1
            faults.failing = Set((0..<machine.dice.within(1...4)).map { _ in next + machine.dice.below(12) })
        }
        disk.set(faults)
        machine.after(machine.dice.below(machine.dice.pick([20 * millisecond, 2 * second]))) { [self, process] in
            if process == self.process, !isDown, crashAtWrite == nil { disk.set(SimulatedDisk.Faults()) }
        }
    }

    // MARK: What is found again

    private func findAgain(_ client: MQTTClient, before count: Int, _ task: Int) async {
        note(task, "lists what is on its way")
        var found: Set<Int> = []
        do throws(MQTTError) {
            var iterator = client.deliveries.makeAsyncIterator()
            while let outstanding = try await iterator.next() {
                if isDown { return }
                guard let index = outstanding.correlationKey.flatMap({ Int($0) }), topic(index) == outstanding.topic else {
                    return machine.fail(.storedSurvives, "a delivery to \(outstanding.topic) that never was")
                }
                // Those of this process have their handles.
                guard index < count else { continue }
                if !found.insert(index).inserted { machine.fail(.oneOutcome, "publish \(index) is found twice") }
                if publishes.items[index].outcome != nil { machine.marks.hit(.cameBack) }
                check(publishes.comeBack(index, id: outstanding.delivery.id, outstanding.qos, size: outstanding.payloadCount))
                let delivery = outstanding.delivery
                self.task("completion of \(index), found again") { [self] in await follow(delivery, index, $0) }
            }
        } catch {
            if isDown { return }
            if !isEnding { machine.fail(.storedSurvives, "the list of deliveries ends with \(error)") }
        }
        if isDown { return }
        check(publishes.resumed(found, before: count, mayEvict: plan.mayEvict, isWhole: !isEnding))
    }
}
