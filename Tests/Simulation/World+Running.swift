import DiskSimulation
import MQTTCore
import MQTTPersistence
import MQTTTesting

/// A world from its beginning to its verdict.
extension World {
    package static func run(_ settings: WorldSettings) -> Verdict {
        var world = World(settings)
        world.live()
        if world.inbound.unseenLosses > 0 { world.marks.hit(.sessionLossUnseen) }
        if world.outbound.publishes.contains(where: \.isBack) { world.marks.hit(.cameBack) }
        if !world.broker.suspicions.isEmpty { world.marks.hit(.suspicion) }
        return Verdict(
            failure: world.failure, events: world.steps, writes: world.settledWrites, effects: world.settledEffects,
            traceHash: world.trace.hash, marks: world.marks, lines: world.trace.lines)
    }

    private mutating func live() {
        after(0, .application)
        after(dice.below(plan.elsewherePause), .publishFromElsewhere)
        after(dice.below(plan.faultPause * 2), .fault)
        begin()
        while steps < settings.events, failure == nil, advance() {}
        guard failure == nil else { return }
        if settings.faults.contains(.endings), dice.chance(1, in: 8) { return end() }
        calmDown()
        settle()
        (settledWrites, settledEffects) = (storage.disk.operations, effectCount)
        if failure == nil { idle() }
        if failure == nil { end() }
        if failure == nil { checkStoreIsEmpty() }
    }

    /// The first process: its store is new.
    private mutating func begin() {
        if let crash = settings.crash { plan(crash) } else { storage.disk.set(diskFaults()) }
        if plan.configuration.isDurable, openStore(.new) == nil {
            if failure == nil { crashAtWrite() }
            return
        }
        step(.start)
    }

    // MARK: Liveness

    /// From here on nothing goes wrong any more.
    private mutating func calmDown() {
        isCalm = true
        trace.note(now, .phase, text: "--- the faults stop")
        broker.setFaults(ConnectionFaults(), for: World.clientID)
        if settings.crash == nil {
            storage.disk.set(diskFaults())
            plannedCrash = nil
        }
        for index in connections.indices {
            let link = Link(index + 1)
            // An old CONNECT that arrived only now would take the session away from the connection at hand.
            if link != shell.link { connections[index].toBroker.truncate(to: 0) }
            resume(link, \.toBroker, .arriveAtBroker(link))
            resume(link, \.toClient, .arriveAtClient(link))
        }
        if shell.link != 0, shell.isOpen {
            let connection = connections[Int(shell.link) - 1]
            // Without keep-alive a client cannot find out that nobody answers. A reset tells it.
            let isBlind = plan.configuration.keepAliveSeconds == 0
            if connection.isSwallowing || (isBlind && connection.toBroker.isBroken) {
                closeAtBroker(shell.link)
                closeAtClient(shell.link)
            }
        }
        after(0, .application)
        for queue in application.queues.indices where !application.queues[queue].awaitsRest {
            application.queues[queue].isScheduled = false
            scheduleConsumer(queue)
        }
    }

    /// Everything accepted must come to its end within a time that the configuration bounds.
    private mutating func settle() {
        let configuration = plan.configuration
        var patience = configuration.reconnectMaximum * 4 + configuration.pauseTimeout * 4 + plan.connectTimeout * 2
        patience += Int64(configuration.keepAliveSeconds) * 6 * second + 120 * second
        // What waits goes one round trip and one commit after another at worst.
        let waiting = Int64(broker.pendingCount(of: World.clientID) + outbound.open)
        patience += waiting * (plan.commitTime * 8 + plan.delay * 12)
        let limit = now + patience
        while failure == nil, !isSettled {
            guard advance(before: limit) else {
                return fail(.liveness, "\(patience / second) s after the faults stopped: \(unsettled)")
            }
        }
        guard failure == nil else { return }
        if let packetID = inbound.unacknowledged { fail(.liveness, "PUBLISH \(packetID) is never acknowledged") }
        if let origin = inbound.lost(in: epoch) { fail(.atLeastOnce, "message \(origin) from elsewhere was owed, and never handed over") }
    }

    private var isSettled: Bool {
        guard shell.isOnline, connections[Int(shell.link) - 1].isOpenAtBroker, !connections[Int(shell.link) - 1].toClient.isEnding else {
            return false
        }
        return hasNothingOpen
    }

    private var hasNothingOpen: Bool {
        // A publish that the application gave up may still have an identifier to be set free.
        outbound.open == 0 && shell.session.outboundBase == shell.session.outboundEnd && requests.open == 0 && application.isIdle
            && !application.needsSubscription && shell.outbound.isEmpty && storage.isIdle && outbound.unansweredRequests == 0
            && connections[Int(shell.link) - 1].toBroker.count == 0 && connections[Int(shell.link) - 1].toClient.count == 0
            && broker.pendingCount(of: World.clientID) == 0 && broker.unreleasedCount(of: World.clientID) == 0
    }

    private var unsettled: String {
        var parts: [String] = []
        if outbound.open > 0, let index = outbound.firstOpen() {
            parts.append("\(outbound.open) publishes are open, first \(index) \(outbound.publishes[index])")
        }
        if outbound.unansweredRequests > 0 { parts.append("\(outbound.unansweredRequests) requests have no answer") }
        if let ticket = requests.firstOpen() { parts.append("request \(ticket) \(requests[ticket]) is open") }
        if !shell.isOnline { parts.append("offline: \(shell.session.phase)") }
        if !application.isIdle { parts.append("messages are unread") }
        if application.needsSubscription { parts.append("not subscribed") }
        if !shell.outbound.isEmpty { parts.append("\(shell.outbound.count) bytes are unwritten") }
        if storage.issued != storage.storedUpTo { parts.append("commits are open") }
        if !storage.loads.isEmpty { parts.append("\(storage.loads.count) payloads are being read") }
        let (pending, unreleased) = (broker.pendingCount(of: World.clientID), broker.unreleasedCount(of: World.clientID))
        if pending + unreleased > 0 { parts.append("the broker has \(pending) messages and \(unreleased) exchanges open") }
        return parts.joined(separator: ", ")
    }

    /// With nothing to do, nothing happens but keep-alive, and the connection stays.
    private mutating func idle() {
        // What a broker kept back for a while, such as one of two PUBCOMPs, is on its way.
        guard runOn(until: now + second) else { return }
        let keepAlive = Int64(plan.configuration.keepAliveSeconds)
        let (before, link) = (steps, shell.link)
        let length = max(keepAlive * 5, 10)
        let limit = now + length * second
        let pings = keepAlive > 0 ? Int(length * 4 / (keepAlive * 3)) + 1 : 0
        while failure == nil, advance(before: limit) {}
        now = max(now, limit)
        guard failure == nil else { return }
        if shell.link != link || !shell.isOnline { fail(.liveness, "an idle connection was given up") }
        // Each takes a tick, `written`, the answer, and `received`, all perhaps in two parts.
        if steps - before > pings * 6 { fail(.noBusyLoop, "\(steps - before) events while nothing was to be done") }
        checkKeepAlive()
    }

    // MARK: The end

    private mutating func end() {
        plannedCrash = nil
        storage.disk.set(diskFaults())
        isCalm = true
        while shell.isDown, failure == nil, advance() {}
        let link = shell.link
        trace.note(now, .phase, text: "--- the end")
        if dice.chance(1, in: 2) {
            let ticket = requests.begin(.disconnect)
            step(.disconnect(ticket))
        } else {
            marks.hit(.close)
            step(.close)
        }
        isCalm = true
        // Without a time limit a connection that does not take bytes keeps DISCONNECT waiting: a reset ends it.
        let portions = Int64(shell.outbound.count * 4 / plan.capacity + 4)
        let patience = plan.configuration.pauseTimeout * 2 + second + portions * plan.delay * 4
        _ = runOn(until: now + patience)
        if !shell.isEnded, plan.configuration.pauseTimeout == 0 || shell.outbound.isEmpty, link != 0 { closeAtClient(link) }
        guard failure == nil else { return }
        if !shell.isEnded { return fail(.liveness, "the session does not end: \(shell.session.phase)") }
        shell.submitting = (.exactlyOnce, Payloads.minimum)
        step(.publish(qos: .exactlyOnce, queuedBytes: 0))
        request(.ping) { .ping($0) }
        step(.linkClosed(shell.lastDialed))
        step(.tick)
        _ = runOn(until: now + 10 * second)
        if let ticket = requests.firstOpen() { fail(.ticketResolvedOnce, "request \(ticket) is still open at the end") }
        if shell.session.deadline != nil { fail(.noBusyLoop, "an ended session waits for a time") }
    }

    private mutating func runOn(until limit: Int64) -> Bool {
        while failure == nil, advance(before: limit) {}
        now = max(now, limit)
        return failure == nil
    }
}
