internal import Synchronization

/// Brings received messages to the sequences that their topics belong to. What belongs to none waits in `unclaimed`.
final class Router: Sendable {
    private struct Scope {
        var queue: MessageQueue
        var filters: [Subscription]
    }

    private struct State {
        var tree = TopicTree()
        var scopes: [Int: Scope] = [:]
        var nextID = 0
        /// Subscriptions without a scope of their own, by filter.
        var unscoped: [TopicFilterKey: Subscription] = [:]
        /// The scopes of the last topic: brokers repeat topics.
        var lastTopic: String?
        var lastTargets: [Int] = []
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
    private let hasScopes = Atomic(false)
    let unclaimed: MessageQueue

    init(limits: Limits, gate: ReadGate, releases: ReleaseBox, consumers: ConsumerTable) {
        self.limits = limits
        self.gate = gate
        self.releases = releases
        self.consumers = consumers
        unclaimed = MessageQueue(limits: limits, gate: gate, releases: releases, consumers: consumers) { _ in }
    }

    // MARK: Received messages

    func route(_ received: [Received]) {
        guard !received.isEmpty else { return }
        guard hasScopes.load(ordering: .acquiring) else { return unclaimed.append(received) }
        var batches: [(queue: MessageQueue, items: [Received])] = []
        for item in received {
            let targets = targets(of: item.message.topic)
            if targets.count < 2 {
                add(item, to: targets.first ?? unclaimed, &batches)
            } else {
                var shared = item
                shared.shared = SharedRelease(holders: targets.count)
                for target in targets { add(shared, to: target, &batches) }
            }
        }
        for batch in batches { batch.queue.append(batch.items) }
    }

    private func add(_ item: Received, to queue: MessageQueue, _ batches: inout [(queue: MessageQueue, items: [Received])]) {
        if let index = batches.firstIndex(where: { $0.queue === queue }) {
            batches[index].items.append(item)
        } else {
            batches.append((queue, [item]))
        }
    }

    private func targets(of topic: String) -> [MessageQueue] {
        state.withLock { state in
            if state.lastTopic?.utf8.elementsEqual(topic.utf8) != true {
                state.lastTargets = Array(Set(state.tree.matches(topic))).sorted()
                state.lastTopic = topic
            }
            return state.lastTargets.compactMap { state.scopes[$0]?.queue }
        }
    }

    func dropStale() {
        for queue in allQueues { queue.dropStale() }
    }

    func end(_ end: MessageQueue.End) {
        for queue in allQueues { queue.end(end) }
    }

    private var allQueues: [MessageQueue] { [unclaimed] + state.withLock { $0.scopes.values.map(\.queue) } }

    // MARK: Scopes

    /// A queue for the filters. Messages of theirs that came before anybody asked for them move into it.
    func open(_ filters: [Subscription]) -> (id: Int, queue: MessageQueue) {
        let queue = MessageQueue(limits: limits, gate: gate, releases: releases, consumers: consumers) { [unclaimed] in
            unclaimed.prepend($0)
        }
        let id = state.withLock { state in
            state.nextID += 1
            state.scopes[state.nextID] = Scope(queue: queue, filters: filters)
            for filter in filters { state.tree.insert(filter.filter, state.nextID) }
            state.lastTopic = nil
            return state.nextID
        }
        hasScopes.store(true, ordering: .releasing)
        let checked = filters.compactMap { try? TopicFilter($0.filter) }
        let claimed = unclaimed.remove { received in checked.contains { $0.matches(received.message.topic) } }
        if !claimed.isEmpty { queue.append(claimed) }
        return (id, queue)
    }

    /// The scope is gone. Returns those of its filters that nobody else has.
    func close(_ id: Int) -> [String] {
        state.withLock { state in
            guard let scope = state.scopes.removeValue(forKey: id) else { return [] }
            for filter in scope.filters { state.tree.remove(filter.filter, id) }
            state.lastTopic = nil
            hasScopes.store(!state.scopes.isEmpty, ordering: .releasing)
            var others = Set(state.unscoped.keys)
            for scope in state.scopes.values { others.formUnion(scope.filters.map { TopicFilterKey($0.filter) }) }
            return scope.filters.map(\.filter).filter { !others.contains(TopicFilterKey($0)) }
        }
    }

    // MARK: What to subscribe to again

    func subscribed(_ subscriptions: [Subscription]) {
        state.withLock { state in
            for subscription in subscriptions { state.unscoped[TopicFilterKey(subscription.filter)] = subscription }
        }
    }

    func unsubscribed(_ filters: [String]) {
        state.withLock { state in
            for filter in filters { state.unscoped[TopicFilterKey(filter)] = nil }
        }
    }

    var establishedSubscriptions: [Subscription] {
        state.withLock { state in
            var all = state.unscoped
            for (_, scope) in state.scopes.sorted(by: { $0.key < $1.key }) {
                for filter in scope.filters {
                    let key = TopicFilterKey(filter.filter)
                    if let known = all[key], known.maximumQoS >= filter.maximumQoS { continue }
                    all[key] = filter
                }
            }
            return all.sorted { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }.map(\.value)
        }
    }

    /// The broker refused to take subscriptions up again: the scopes with those filters end with the error.
    func refused(_ error: MQTTError) {
        let refused = Set(error.grants.filter { $0.reasonCode.isFailure }.map { TopicFilterKey($0.filter) })
        let queues = state.withLock { state in
            for key in refused { state.unscoped[key] = nil }
            let scopes = state.scopes.values.filter { $0.filters.contains { refused.contains(TopicFilterKey($0.filter)) } }
            return scopes.map(\.queue)
        }
        for queue in queues { queue.end(.failed(error)) }
    }
}
