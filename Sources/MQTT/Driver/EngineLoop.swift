internal import Logging
internal import NIOCore
internal import Synchronization

/// What only the event loop touches.
struct LoopState {
    var connection: ConnectionHandler?
    /// On their way to be the connection: several while the addresses of a name are tried.
    var opening: [ConnectionHandler] = []
    var credentialRequest: CredentialRequest?
    var timer: Scheduled<Void>?
    var timerAt: Instant?
    var watchesUnclaimed = false
}

/// The engine's side on the event loop: connections, timer, releases.
extension Engine {
    /// Carries out what steps have left to the loop.
    func runLoop() {
        let work = core.state.withLock { state in
            state.isWakeScheduled = false
            defer { state.loopWork = LoopWork() }
            return state.loopWork
        }
        for link in work.hangUps { hangUp(link) }
        if let link = work.hangUpAfterFlush, loop.value.connection?.link == link { loop.value.connection?.hangUpAfterFlush() }
        if let link = work.dial { dial(link) }
        loop.value.connection?.flush()
        armTimer()
    }

    // MARK: Connections

    /// The channel is active.
    func opened(_ connection: ConnectionHandler) {
        notOpening(connection)
        let isWanted = core.state.withLock { $0.session.phase == .connecting(connection.link) }
        guard isWanted else { return connection.hangUp() }
        loop.value.connection = connection
        perform { state in
            state.isWriting = false
            state.step(.linkOpened(connection.link), at: now)
        }
    }

    /// The channel is gone.
    func closed(_ connection: ConnectionHandler, _ reason: MQTTError?) {
        guard loop.value.connection === connection else { return }
        loop.value.connection = nil
        perform { state in
            state.isWriting = false
            // The session may have given it up before, with a reason of its own.
            if state.session.phase.link == connection.link { state.dialFailure = reason }
            state.step(.linkClosed(connection.link), at: now)
        }
    }

    // MARK: Time

    /// There is one timer. It is moved when the deadline is earlier, and looks again when it fires early.
    ///
    /// The deadline is read here, not before: what came in between, such as a write that found the connection gone, has moved it.
    func armTimer() {
        guard let deadline = core.state.withLock({ $0.session.deadline }) else {
            loop.value.timer?.cancel()
            loop.value.timer = nil
            return loop.value.timerAt = nil
        }
        if let timerAt = loop.value.timerAt, timerAt <= deadline { return }
        loop.value.timer?.cancel()
        loop.value.timerAt = deadline
        let uptime = NIODeadline.uptimeNanoseconds(UInt64(clamping: deadline.nanoseconds))
        loop.value.timer = eventLoop.scheduleTask(deadline: uptime) { [weak self] in self?.timerFired() }
    }

    private func timerFired() {
        loop.value.timer = nil
        loop.value.timerAt = nil
        loop.value.connection?.noteProgress()
        perform { state in
            guard let deadline = state.session.deadline, deadline <= now else { return }
            state.step(.tick, at: now)
        }
    }

    // MARK: The application

    func released() {
        perform { state in
            for receipt in releases.takeAll() { state.step(.release(receipt), at: now) }
        }
    }

    func gateChanged() {
        let isOpen = gate.isOpen
        if !isOpen { consumers.readingStopped() }
        perform { $0.step(.reading(isOpen), at: now) }
        if isOpen { loop.value.connection?.resumeReading() }
    }

    // MARK: Messages that nobody asks for

    /// Looks after the grace time whether somebody came for them.
    func watchUnclaimed() {
        guard !loop.value.watchesUnclaimed, router.unclaimed.isUnattended else { return }
        loop.value.watchesUnclaimed = true
        let mark = router.unclaimed.appended
        eventLoop.scheduleTask(in: .nanoseconds(settings.unclaimed.grace.nanoseconds)) { [weak self] in self?.graceIsOver(mark) }
    }

    /// - Parameter mark: What came behind it has its own time, which begins now.
    private func graceIsOver(_ mark: UInt64) {
        loop.value.watchesUnclaimed = false
        guard router.unclaimed.isUnattended else { return }
        defer { watchUnclaimed() }
        switch settings.unclaimed.action {
        case .acknowledge:
            let dropped = router.unclaimed.remove(appendedUpTo: mark)
            guard !dropped.isEmpty else { return }
            for run in dropped { releases.release(run) }
            let count = dropped.reduce(0) { $0 + $1.count }
            let total = unclaimedCount.add(UInt64(count), ordering: .relaxed).newValue
            logger?.info(
                "messages that no sequence asked for were acknowledged and dropped",
                metadata: ["count": "\(count)", "total": "\(total)"])
        case .endConnection:
            let topic = router.unclaimed.firstTopic ?? ""
            logger?.info("ending the connection: nobody asks for its messages")
            perform { state in
                if let link = state.session.phase.link {
                    let reason = "no sequence asked for messages of the topic \(topic)"
                    state.dialFailure = MQTTError(.connectionLost, .unknown, reason)
                    state.loopWork.hangUps.append(link)
                    state.step(.linkClosed(link), at: now)
                }
            }
        }
    }
}
