internal import Synchronization

/// Brings received messages to the sequences that their topics belong to. What belongs to none waits in `unclaimed`.
final class Router: Sendable {
    private struct Scope {
        var queue: MessageQueue
        var filters: [Subscription]
        /// The broker has granted all of its filters.
        var isGranted = false
        /// Its filters are being unsubscribed.
        var isLeaving = false
    }

    /// A subscription without a scope of its own.
    private struct Unscoped {
        var subscription: Subscription
        var isGranted = false
    }

    private struct State {
        var tree = TopicTree()
        var scopes: [Int: Scope] = [:]
        var nextID = 0
        /// Subscriptions without a scope of their own, by filter.
        var unscoped: [TopicFilterKey: Unscoped] = [:]
        /// Lost by the broker, and not granted again since.
        var unconfirmed: Set<TopicFilterKey> = []
        /// The scopes of the last topic: brokers repeat topics.
        var lastTopic: String?
        var lastTargets: [Int] = []
        /// Runs that came so far.
        var arrivals: UInt64 = 0
    }

    /// Filters are equal when their bytes are [MQTT-4.7.3-4].
    private struct TopicFilterKey: Hashable {
        var bytes: [UInt8]
        init(_ filter: String) { bytes = Array(filter.utf8) }
    }

    private let limits: Limits
    private let gate: ReadGate
    private let releases: ReleaseBox
    private let consumers: ConsumerTable
    private let state = Mutex(State())
    /// Held while the filters of a scope are looked at and their packet is submitted: what one scope unsubscribes, no other one
    /// has just subscribed to.
    private let submitting = Mutex(())
    let unclaimed: MessageQueue

    init(limits: Limits, gate: ReadGate, releases: ReleaseBox, consumers: ConsumerTable) {
        self.limits = limits
        self.gate = gate
        self.releases = releases
        self.consumers = consumers
        unclaimed = MessageQueue(limits: limits, gate: gate, releases: releases, consumers: consumers) { _ in }
    }

    // MARK: Received messages

    /// Under the lock as a whole, so that no message passes by a scope that is being opened or closed.
    func route(_ received: [ReceivedRun]) {
        guard !received.isEmpty else { return }
        state.withLock { state in
            var received = received
            for index in received.indices {
                state.arrivals += 1
                received[index].arrival = state.arrivals
            }
            guard !state.scopes.isEmpty else { return unclaimed.append(received) }
            var batches: [(queue: MessageQueue, runs: [ReceivedRun])] = []
            for run in received {
                var index = run.indices.lowerBound
                while index < run.indices.upperBound {
                    let range = run.sameTopic(from: index)
                    let targets = Self.targets(of: run.topic(at: index), &state)
                    if targets.count < 2 {
                        Self.add(run[range], to: targets.first ?? unclaimed, &batches)
                    } else {
                        let items = range.map { (run[$0], SharedRelease(holders: targets.count)) }
                        for (holder, target) in targets.enumerated() {
                            Self.add(ReceivedRun(items.map { $0.copy(holder, of: $1) }, arrival: run.arrival), to: target, &batches)
                        }
                    }
                    index = range.upperBound
                }
            }
            for batch in batches { batch.queue.append(batch.runs) }
        }
    }

    private static func add(_ run: ReceivedRun, to queue: MessageQueue, _ batches: inout [(queue: MessageQueue, runs: [ReceivedRun])]) {
        if let index = batches.firstIndex(where: { $0.queue === queue }) {
            batches[index].runs.append(run)
        } else {
            batches.append((queue, [run]))
        }
    }

    private static func targets(of topic: String, _ state: inout State) -> [MessageQueue] {
        if state.lastTopic?.utf8.elementsEqual(topic.utf8) != true {
            state.lastTargets = Array(Set(state.tree.matches(topic))).sorted()
            state.lastTopic = topic
        }
        return state.lastTargets.compactMap { state.scopes[$0]?.queue }
    }

    func dropStale() {
        for queue in allQueues { queue.dropStale() }
    }

    func end(_ end: MessageQueue.End) {
        for queue in allQueues { queue.end(end) }
    }

    private var allQueues: [MessageQueue] { [unclaimed] + state.withLock { Self.inOrder($0).map(\.queue) } }

    /// The oldest first.
    private static func inOrder(_ state: borrowing State) -> [Scope] { state.scopes.sorted { $0.key < $1.key }.map(\.value) }

    // MARK: Scopes

    /// A queue for the filters. Messages of theirs that came before anybody asked for them move into it.
    func open(_ filters: [Subscription]) -> (id: Int, queue: MessageQueue) {
        let queue = MessageQueue(limits: limits, gate: gate, releases: releases, consumers: consumers) { [unclaimed] in
            unclaimed.prepend($0)
        }
        let checked = filters.compactMap { try? TopicFilter($0.filter) }
        let id = submitting.withLock { _ in
            state.withLock { state in
                state.nextID += 1
                state.scopes[state.nextID] = Scope(queue: queue, filters: filters)
                for filter in filters { state.tree.insert(filter.filter, state.nextID) }
                state.lastTopic = nil
                let claimed = unclaimed.remove { run, index in checked.contains { $0.matches(run.topic(at: index)) } }
                if !claimed.isEmpty { queue.append(claimed) }
                return state.nextID
            }
        }
        return (id, queue)
    }

    /// Hands those of the scope's filters that nobody else has to `unsubscribe`, before anybody else can subscribe to them.
    /// The scope goes on taking its messages until it is closed.
    func leave<Result>(_ id: Int, unsubscribe: ([String]) -> Result) -> Result {
        submitting.withLock { _ in
            let orphans = state.withLock { state -> [String] in
                state.scopes[id]?.isLeaving = true
                var others = Set(state.unscoped.keys)
                for scope in state.scopes.values where !scope.isLeaving {
                    others.formUnion(scope.filters.map { TopicFilterKey($0.filter) })
                }
                return (state.scopes[id]?.filters ?? []).map(\.filter).filter { !others.contains(TopicFilterKey($0)) }
            }
            return unsubscribe(orphans)
        }
    }

    /// The scope is gone: what comes from now on is not its own.
    func close(_ id: Int) {
        state.withLock { state in
            guard let scope = state.scopes.removeValue(forKey: id) else { return }
            for filter in scope.filters { state.tree.remove(filter.filter, id) }
            state.lastTopic = nil
        }
    }

    // MARK: What to subscribe to again

    /// Submits a subscription without a scope. No scope that ends meanwhile takes its filters away.
    func asking<Result>(for subscriptions: [Subscription], _ submit: () -> Result) -> Result {
        submitting.withLock { _ in
            state.withLock { state in
                for subscription in subscriptions {
                    let key = TopicFilterKey(subscription.filter)
                    if state.unscoped[key] == nil { state.unscoped[key] = Unscoped(subscription: subscription) }
                }
            }
            return submit()
        }
    }

    /// The answer to SUBSCRIBE, or nil when there will be none.
    func answered(_ subscriptions: [Subscription], _ origin: SubscribeOrigin, _ codes: [UInt8]?) {
        state.withLock { state in
            var isGranted = codes != nil
            for (index, subscription) in subscriptions.enumerated() {
                let key = TopicFilterKey(subscription.filter)
                let granted = codes.map { !ReasonCode(rawValue: $0[index]).isFailure } ?? false
                isGranted = isGranted && granted
                if codes != nil { state.unconfirmed.remove(key) }
                guard case .application = origin else { continue }
                if granted {
                    state.unscoped[key] = Unscoped(subscription: subscription, isGranted: true)
                } else if state.unscoped[key]?.isGranted == false {
                    state.unscoped[key] = nil
                }
            }
            if case .scope(let id) = origin, isGranted { state.scopes[id]?.isGranted = true }
        }
    }

    /// The broker does not send messages of these filters any more, or may not.
    func unsubscribed(_ filters: [String]) {
        state.withLock { state in
            for filter in filters { state.unscoped[TopicFilterKey(filter)] = nil }
        }
    }

    /// The broker has no subscription any more: all of them are to be made again, over as many connections as it takes.
    func subscriptionsLost() {
        state.withLock { state in state.unconfirmed = Set(Self.established(state).keys) }
    }

    /// What the broker has lost and not granted again since.
    var lostSubscriptions: [Subscription] {
        state.withLock { state in
            Self.established(state).filter { state.unconfirmed.contains($0.key) }
                .sorted { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }.map(\.value)
        }
    }

    private static func established(_ state: borrowing State) -> [TopicFilterKey: Subscription] {
        var all = state.unscoped.filter(\.value.isGranted).mapValues(\.subscription)
        for scope in state.scopes.values where scope.isGranted && !scope.isLeaving {
            for filter in scope.filters {
                let key = TopicFilterKey(filter.filter)
                if let known = all[key], known.maximumQoS >= filter.maximumQoS { continue }
                all[key] = filter
            }
        }
        return all
    }

    /// The broker refused to take subscriptions up again: the scopes with those filters end with the error.
    func refused(_ error: MQTTError) {
        let refused = Set(error.grants.filter { $0.reasonCode.isFailure }.map { TopicFilterKey($0.filter) })
        let queues = state.withLock { state in
            for key in refused { state.unscoped[key] = nil }
            let scopes = Self.inOrder(state).filter { $0.filters.contains { refused.contains(TopicFilterKey($0.filter)) } }
            return scopes.map(\.queue)
        }
        for queue in queues { queue.end(.failed(error)) }
    }
}
