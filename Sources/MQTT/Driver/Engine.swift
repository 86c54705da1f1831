internal import Logging
internal import NIOCore
internal import Synchronization

/// The one way through the client: submissions, received packets and time go into the session, and its effects come out.
///
/// The session and the outbound buffer are behind one lock. `submit` steps the session on the caller's thread, so a publish is
/// accepted or refused synchronously and in call order. The event loop steps received packets. Continuations run after the lock
/// was given back, and the network is touched on the event loop only.
final class Engine: Sendable {
    let settings: EngineSettings
    // What each publish asks for, taken out of the configuration once.
    let isDurable: Bool
    let hasProfile: Bool
    let eventLoop: any EventLoop
    /// The preferred one first.
    let routes: [Route]
    let logger: Logger?
    let gate: ReadGate
    let releases: ReleaseBox
    let router: Router
    let consumers = ConsumerTable()
    let states = StateBroadcast()
    let ended = Eventual<MQTTError?>()
    let core: EngineCore
    private struct OnlineWait {
        var eventual = Eventual<Online>()
        var isEnd = false
    }

    private let onlineWait = Mutex(OnlineWait())
    private let sleepWatch: SleepWatch
    private let sleepWatchID = Mutex<Int?>(nil)
    let loop: NIOLoopBoundBox<LoopState>
    /// What was lost of a durable session when it was resumed.
    let damage: [StoreDamage]
    /// Messages that were acknowledged without anybody having asked for them.
    let unclaimedCount = Atomic<UInt64>(0)

    init(_ configuration: Configuration, eventLoop: any EventLoop, logger: Logger?) throws(MQTTError) {
        var sessionConfiguration = try configuration.sessionConfiguration()
        // With several brokers, the first attempt is one at each.
        if !configuration.fallbacks.isEmpty { sessionConfiguration.retriesFirstConnect = true }
        var routes: [Route] = []
        routes.reserveCapacity(1 + configuration.fallbacks.count)
        for broker in [configuration.broker] + configuration.fallbacks {
            routes.append(try Route(configuration.profile.completed(broker), base: configuration.dialer))
        }
        let opened = try Engine.open(configuration)
        do throws(MQTTError) {
            let clientID = opened?.clientID ?? configuration.session.clientID
            for index in routes.indices {
                routes[index].connect = try configuration.connectPacket(clientID: clientID, routes[index].broker)
            }
            sessionConfiguration.alwaysCleanSession = clientID.isEmpty
        } catch {
            opened?.store.close()
            throw error
        }
        self.routes = routes
        sleepWatch = configuration.sleepClocks.map { SleepWatch($0, interval: .seconds(1), on: eventLoop) } ?? .system
        settings = EngineSettings(configuration)
        isDurable = configuration.session.isDurable
        hasProfile = configuration.profile != .strict
        self.eventLoop = eventLoop
        self.logger = logger
        gate = ReadGate(eventLoop: eventLoop)
        releases = ReleaseBox(eventLoop: eventLoop)
        router = Router(limits: configuration.limits, gate: gate, releases: releases, consumers: consumers)
        // A broker that still holds identifiers of an earlier process would take a new message under one of them for a repetition:
        // a session that begins anywhere hardly meets them.
        let surroundings = configuration.surroundings
        let firstSerial = Serial(surroundings.random() % UInt64(PublishID.count))
        var session = Session(sessionConfiguration, seed: surroundings.random(), firstSerial: firstSerial)
        var topics = configuration.whenQueueIsFull == .keepNewestPerTopic ? TopicQueue() : nil
        damage =
            opened.map { opened in
                let now = Instant(nanoseconds: Int64(clamping: eventLoop.now.uptimeNanoseconds))
                return session.resume(from: opened.contents, at: now, wallClock: surroundings.wallClock()) { serial, head in
                    topics?.accepted(serial, head.qos, head.topic)
                }
            } ?? []
        var state = EngineState(session: session, connect: routes[0].connect, wallClock: surroundings.wallClock)
        state.topics = topics
        state.hasQueuedAge = configuration.limits.queuedAge != nil
        state.health = RouteHealth(count: routes.count, stableTime: sessionConfiguration.stableTime)
        state.endsWithoutSuccess = !configuration.retriesFirstConnect && routes.count > 1
        state.reactions = configuration.reconnect.reactions
        core = EngineCore(state, consumers)
        loop = NIOLoopBoundBox.makeBoxSendingValue(LoopState(), eventLoop: eventLoop)
        core.engine = self
        router.unclaimed.onUnattended { [weak self] in eventLoop.execute { self?.watchUnclaimed() } }
        gate.onChange { [weak self] in self?.gateChanged() }
        releases.onRelease { [weak self] in self?.released() }
        for damage in damage { logger?.warning("the store was damaged", metadata: ["damage": "\(damage)"]) }
        if let opened {
            try attach(opened.store, configuration.surroundings.storeWriter)
            // What is too old already, or will be before anything else happens.
            if configuration.limits.queuedAge != nil { wake() }
        }
    }

    deinit {
        // A client that was never run. Whoever holds a handle of a publish hears that nobody will send it.
        core.state.withLock { $0.step(.close, at: now) }
        tellChanges()
    }

    var now: Instant { Instant(nanoseconds: Int64(clamping: eventLoop.now.uptimeNanoseconds)) }

    // MARK: Steps

    /// Steps under the lock, then does what is left: on the loop at once, elsewhere by waking it.
    @discardableResult func perform<R>(_ body: (inout EngineState) -> R) -> R {
        let (result, aftermath, wakes) = core.state.withLock { state -> (R, Aftermath?, Bool) in
            let result = body(&state)
            let aftermath = state.takeAftermath()
            return (result, aftermath, !eventLoop.inEventLoop && state.needsWake())
        }
        finish(aftermath)
        if eventLoop.inEventLoop { runLoop() } else if wakes { wake() }
        return result
    }

    func wake() { eventLoop.execute { self.runLoop() } }

    func finish(_ aftermath: Aftermath?) {
        guard let aftermath else { return }
        aftermath.run(resolved: noteSubscriptions)
        if aftermath.hasChanges { tellChanges() }
    }

    /// One after the other, in the order of the steps. Whoever comes while one is told leaves the rest to the one who tells it: hearing of
    /// a connection may be what loses it.
    private func tellChanges() {
        var isTelling = false
        while let change = core.state.withLock({ $0.nextChange(isTelling) }) {
            isTelling = true
            changed(change)
        }
    }

    private func changed(_ change: Aftermath.Change) {
        switch change {
        case .online(let sessionPresent, let firstReceipt): online(sessionPresent, firstReceipt)
        case .offline(let error, let unsentBytes):
            logger?.debug("offline", metadata: ["error": "\(error)", "unsentBytes": "\(unsentBytes)"])
            onlineWait.withLock { wait in
                // The client may have ended on another thread meanwhile, which is the last word.
                if wait.isEnd { return }
                wait = OnlineWait()
            }
            states.send(.offline(error))
        case .attemptFailed(let error):
            logger?.debug("connect attempt failed", metadata: ["error": "\(error)"])
            states.send(.attemptFailed(error))
        case .ended(let error, let suspended, let unstored):
            // First of all: a program may end when the client has.
            for (record, error) in suspended { record.resolve(.failure(error)) }
            logger?.debug("ended", metadata: error.map { ["error": "\($0)"] } ?? [:])
            let result = Result<Online, MQTTError>.failure(error ?? .closed)
            let before = onlineWait.withLock { wait in
                defer { wait = OnlineWait(eventual: Eventual(result), isEnd: true) }
                return wait.eventual
            }
            before.resolve(result)
            states.send(.closed)
            router.end(.finished)
            if let id = sleepWatchID.withLock({ $0 }) { sleepWatch.remove(id) }
            closeStore(unstored) { [ended] in ended.resolve(.success(error)) }
        }
    }

    private func online(_ sessionPresent: Bool, _ firstReceipt: Receipt) {
        logger?.debug("online", metadata: ["sessionPresent": "\(sessionPresent)"])
        let online = Online(sessionPresent: sessionPresent)
        if !gate.isOpen { perform { $0.step(.reading(false), at: now) } }
        if sessionPresent {
            // What was not acknowledged comes again.
            releases.markStale(below: firstReceipt)
            router.dropStale()
        } else {
            releases.markKept(below: firstReceipt)
            router.subscriptionsLost()
        }
        if settings.resubscribes { resubscribe() }
        // Told last: what is asked for on hearing of it goes out behind the subscriptions.
        onlineWait.withLock { $0.eventual }.resolve(.success(online))
        states.send(.online(online))
    }

    func waitUntilOnline() async throws(MQTTError) -> Online {
        try await onlineWait.withLock { $0.eventual }.value()
    }

    // MARK: Beginning and ending

    private func watchSleep() {
        let id = sleepWatch.add { [weak self] slept in
            guard let self else { return }
            logger?.debug("the machine slept", metadata: ["seconds": "\(slept.components.seconds)"])
            perform { $0.step(.slept(slept.nanoseconds), at: self.now) }
        }
        sleepWatchID.withLock { $0 = id }
        // The client may have ended on another thread meanwhile.
        if core.state.withLock({ $0.session.phase == .ended }) { sleepWatch.remove(id) }
    }

    /// Begins to connect. Once.
    // Not inlined: what it needs on the stack would be in the memory of the task that runs the client, for as long as that runs.
    @inline(never) func start() throws(MQTTError) {
        let phase = perform { state in
            defer { state.step(.start, at: now) }
            return state.session.phase
        }
        guard phase == .idle else {
            throw phase == .ended ? .closed : .denied("the client is running already")
        }
        watchSleep()
    }

    func disconnect() async throws(MQTTError) {
        let eventual = Eventual<Void>()
        perform { state in
            // What the application has released is acknowledged ahead of DISCONNECT.
            for receipt in releases.takeAll() { state.step(.release(receipt), at: now) }
            _ = state.request(.leave(eventual), at: now) { .disconnect($0) }
        }
        // A connection that takes no more bytes must not hold the end up for longer than draining may take.
        // A second is enough for a connection that does take them, when nothing is to be drained.
        let patience = max(settings.drainTimeout.nanoseconds, 1_000_000_000)
        let timeout = eventLoop.scheduleTask(in: .nanoseconds(patience)) { self.close() }
        defer { timeout.cancel() }
        // The end comes in any case, so cancellation does not cut the wait short.
        let result: Result<Void, MQTTError>
        do throws(MQTTError) { result = .success(try await eventual.value(onCancel: {})) } catch { result = .failure(error) }
        // A store is free for the next client then.
        _ = try? await ended.value(onCancel: {})
        try result.get()
    }

    func close() { perform { $0.step(.close, at: now) } }

    /// Waits until everything accepted is complete and written, for `drainTimeout` at most.
    func drain() async {
        guard let eventual = core.state.withLock({ $0.waitForDrain() }) else { return }
        let timeout = eventLoop.scheduleTask(in: .nanoseconds(settings.drainTimeout.nanoseconds)) { eventual.resolve(.success(())) }
        try? await eventual.value()
        timeout.cancel()
    }
}

/// What is behind the engine's lock, in an object of its own: each delivery counts a reference to it. The engine has weak references as
/// well, which makes counting the others slow: 13 % of the samples in a profile of publishing at QoS 0.
final class EngineCore: Sendable {
    let state: BusyMutex<EngineState>
    let consumers: ConsumerTable
    private let owner = Mutex(Owner())

    private struct Owner {
        weak var engine: Engine?
    }

    init(_ state: consuming sending EngineState, _ consumers: ConsumerTable) {
        self.state = BusyMutex(state)
        self.consumers = consumers
    }

    /// Nil when the client is gone: then nothing is sent any more.
    var engine: Engine? {
        get { owner.withLock { $0.engine } }
        set { owner.withLock { $0.engine = newValue } }
    }

    func written(_ link: Link, _ position: UInt64) async throws(MQTTError) {
        guard let eventual = state.withLock({ $0.waitUntilWritten(link, position) }) else { return }
        try await eventual.value()
    }

    /// Awaits what only the broker can bring. Fails in place of waiting for ever when this task keeps the client from reading.
    func answer<Value>(
        _ eventual: Eventual<Value>, fate: MQTTError.Fate, onCancel: (@Sendable () -> Void)? = nil
    ) async throws(MQTTError) -> Value {
        guard let task = currentTaskIdentity(), consumers.isConsumer(task) else {
            return try await eventual.value(onCancel: onCancel)
        }
        let stalled = MQTTError.stalled(fate)
        let watch = consumers.watch(task) { eventual.fail(waitsOf: task, with: stalled) }
        defer { consumers.unwatch(watch) }
        return try await eventual.value(
            task: task,
            onWait: { [consumers] in
                // It may have stopped before the wait began.
                if consumers.isStalled(task) { eventual.fail(waitsOf: task, with: stalled) }
            },
            onCancel: onCancel)
    }
}

extension EngineState {
    /// What is left to be done behind the lock. Commits are handed to the store here, in order.
    mutating func takeAftermath() -> Aftermath? {
        store?.flush()
        guard !aftermath.isEmpty else { return nil }
        defer { aftermath = Aftermath() }
        return aftermath
    }

    /// - Parameter isTelling: Whether the caller is the one who has told the one before.
    mutating func nextChange(_ isTelling: Bool) -> Aftermath.Change? {
        if isTellingChanges, !isTelling { return nil }
        isTellingChanges = !changesToTell.isEmpty
        return isTellingChanges ? changesToTell.removeFirst() : nil
    }

    /// Whether the loop has to be woken. Marks it as woken.
    mutating func needsWake() -> Bool {
        guard !isWakeScheduled, !loopWork.isEmpty || !outbound.isEmpty || session.deadline != nil else { return false }
        isWakeScheduled = true
        return true
    }

    mutating func waitForDrain() -> Eventual<Void>? {
        guard !isDrained, session.phase != .ended else { return nil }
        let eventual = Eventual<Void>()
        drainWaits.append(eventual)
        return eventual
    }
}
