import DiskSimulation
import MQTT
import MQTTTesting
package import Simulation

/// A world from its beginning to its verdict.
extension DriverWorld {
    package static func run(_ settings: WorldSettings) -> Verdict {
        let world = DriverWorld(settings)
        let machine = world.machine
        return JobHook.with(machine) {
            world.pass()
            world.runTask = nil
            world.client = nil
            machine.forget()
            return Verdict(
                failure: machine.failure, events: machine.steps, traceHash: machine.trace.hash, marks: machine.marks,
                lines: machine.trace.lines)
        }
    }

    private func pass() {
        begin()
        while machine.steps < settings.events, machine.step() { restartIfEnded() }
        guard machine.failure == nil else { return }
        if isDown {
            let limit = machine.now + 120 * second
            while !live.isEmpty, machine.step(before: limit) {}
            guard machine.failure == nil else { return }
            if !live.isEmpty { return machine.fail(.liveness, "2 minutes after the end of the process: \(unfinishedTasks)") }
            restartIfEnded()
        }
        endsEarly = settings.faults.contains(.endings) && machine.dice.chance(1, in: 6)
        if !endsEarly {
            calmDown()
            settle()
            if machine.failure == nil { probe() }
        }
        guard machine.failure == nil else { return }
        check(publishes.checkOrder())
        guard machine.failure == nil else { return }
        end()
        finish()
    }

    private func begin() {
        receipts.dropsUnclaimed = !plan.isAttended
        publishes.isDurable = plan.store != nil
        machine.pace = plan.pace
        beginProcess()
        beginNeighbour()
        guard machine.failure == nil else { return }
        machine.after(machine.dice.below(plan.elsewherePause)) { [self] in publishFromElsewhere() }
        machine.after(machine.dice.below(plan.faultPause * 2)) { [self] in fault() }
    }

    func run(_ client: MQTTClient, _ task: Int) async {
        do {
            if machine.dice.chance(1, in: 3) {
                try await client.run { [self] _ in
                    note(task, "runs the client with a body")
                    await untilEnding()
                    note(task, "leaves the body of the client")
                }
            } else {
                try await client.run()
            }
        } catch {
            if !isEnding { machine.fail(.liveness, "the client ends by itself: \(error)") }
        }
    }

    // MARK: Liveness

    /// From here on nothing goes wrong any more, and nothing new is begun.
    private func calmDown() {
        isCalm = true
        machine.interruption = nil
        crashAtWrite = nil
        disk.set(SimulatedDisk.Faults())
        machine.trace.note(machine.now, .phase, text: "--- the faults stop")
        broker.setFaults(.init(), for: DriverWorld.clientID)
        for wire in wires where wire.isOpenAtClient && (wire.isSwallowing || wire.toBroker.isBroken) {
            // Without keep-alive a client cannot find out that nobody answers. A reset tells it.
            endAtBroker(wire)
            wire.reset()
        }
        for wire in wires where wire.isOpenAtClient || wire.isOpenAtBroker { wire.resume() }
        client?.connectNow()
        if !plan.isAttended, let client { task("collector", isWork: false) { [self] in await collector(client, $0) } }
    }

    /// Everything accepted must come to its end within a bounded time.
    private func settle() {
        let limit = machine.now + 900 * second
        while !isSettled {
            guard machine.step(before: limit) else {
                if machine.failure == nil { machine.fail(.liveness, "15 minutes after the faults stopped: \(unsettled)") }
                return
            }
        }
        if let index = publishes.unfinished() { machine.fail(.liveness, "publish \(index) has no end") }
        if let index = neighbour.owed.min() {
            machine.fail(.atLeastOnce, "publish \(index) is owed to the neighbour, and never handed over")
        }
        if let origin = receipts.lost(epoch: epoch) { machine.fail(.atLeastOnce, "message \(origin) is owed, and never handed over") }
    }

    /// A client that has had nothing to do sends at once: no later event has to help it along.
    private func probe() {
        guard let client else { return }
        let quiet = machine.now + 20 * second
        while machine.step(before: quiet) {}
        guard machine.failure == nil, isSettled else { return }
        task("probe") { [self] in await publish(client, $0, .atLeastOnce) }
        let limit = machine.now + 500 * millisecond + plan.delay * 40
        while isAtWork, machine.step(before: limit) {}
        if isAtWork, machine.failure == nil { machine.fail(.liveness, "a publish waits while nothing else happens: \(unfinishedWork)") }
    }

    private var isSettled: Bool {
        machine.failure == nil && !isAtWork && neighbourIsSettled && broker.isConnected(DriverWorld.clientID)
            && broker.pendingCount(of: DriverWorld.clientID) == 0 && broker.unreleasedCount(of: DriverWorld.clientID) == 0
    }

    private var unsettled: String {
        var parts: [String] = []
        if isAtWork { parts.append(unfinishedWork) }
        if !broker.isConnected(DriverWorld.clientID) { parts.append("offline") }
        let pending = broker.pendingCount(of: DriverWorld.clientID)
        let unreleased = broker.unreleasedCount(of: DriverWorld.clientID)
        if pending + unreleased > 0 { parts.append("the broker has \(pending) messages and \(unreleased) exchanges open") }
        if !neighbourIsSettled { parts.append("the neighbour has \(neighbour.open) publishes open") }
        parts.append(unfinishedTasks)
        return parts.joined(separator: "; ")
    }

    // MARK: The end

    private func end() {
        machine.trace.note(machine.now, .phase, text: "--- the end")
        isEnding = true
        endNeighbour()
        for wait in endWaits { wait.resume() }
        endWaits = []
        guard let client else { return }
        switch machine.dice.below(4) {
        case 0:
            machine.marks.hit(.close)
            task("close") { _ in await client.close() }
        case 1: runTask?.cancel()
        default:
            machine.marks.hit(.disconnect)
            task("disconnect") { [self] task in
                do throws(MQTTError) { try await client.disconnect() } catch { note(task, "disconnect: \(error.code)") }
            }
        }
    }

    /// All tasks end, and nothing is left behind.
    private func finish() {
        let limit = machine.now + 120 * second
        while !live.isEmpty || neighbour.tasks > 0, machine.step(before: limit) {}
        guard machine.failure == nil else { return }
        if !live.isEmpty { return machine.fail(.liveness, "2 minutes after the end: \(unfinishedTasks)") }
        if neighbour.tasks > 0 { return machine.fail(.liveness, "2 minutes after the end the neighbour has \(neighbour.tasks) tasks") }
        if let index = publishes.unfinished() { return machine.fail(.liveness, "publish \(index) has no end") }
        isOver = true
        runTask = nil
        weak let lost = client
        client = nil
        // A look at what nobody asks for may be due yet. It holds nothing.
        let last = machine.now + 100_100 * second
        while machine.step(before: last) {}
        guard machine.failure == nil else { return }
        let loop: SimulatedEventLoop = machine.loop
        if loop.timerCount > 0 || loop.hasJobs { machine.fail(.nothingLeftBehind, "\(loop.timerCount) timers are left") }
        if machine.pendingJobs > 0 { machine.fail(.nothingLeftBehind, "\(machine.pendingJobs) jobs are left") }
        if let wire = wires.first(where: { $0.channel != nil }) { machine.fail(.nothingLeftBehind, "channel \(wire.number) is open") }
        if lost != nil { machine.fail(.nothingLeftBehind, "the client is still there") }
        let left = dialers.indices.filter { dialers[$0].object != nil }
        if !left.isEmpty { machine.fail(.nothingLeftBehind, "the engines of processes \(left) are still there") }
    }

    private func untilEnding() async {
        await withCheckedContinuation { continuation in
            if isEnding { continuation.resume() } else { endWaits.append(continuation) }
        }
    }
}
