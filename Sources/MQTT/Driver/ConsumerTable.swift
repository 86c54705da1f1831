internal import Synchronization

/// Which task consumes which queue: to notice when a task waits for an answer that cannot arrive, because the connection is not
/// read while the task's own queue is full.
final class ConsumerTable: Sendable {
    private struct State {
        /// A handler may open another sequence, and consume that as well.
        var queues: [Int: [MessageQueue]] = [:]
        var watches: [UInt64: (task: Int, fail: @Sendable () -> Void)] = [:]
        var nextWatch: UInt64 = 0
    }

    private let state = Mutex(State())

    func isConsumer(_ task: Int) -> Bool { state.withLock { $0.queues[task] != nil } }

    /// Whether nothing is read until the task asks for messages, or for bytes of one.
    func isStalled(_ task: Int) -> Bool {
        let queues = state.withLock { $0.queues[task] ?? [] }
        return queues.contains { $0.isStalled(for: task) }
    }

    /// Whether nothing is read until the task asks for messages of this queue, and of no other.
    func isStalled(_ task: Int, by queue: MessageQueue) -> Bool {
        let queues = state.withLock { $0.queues[task] ?? [] }
        return queues.allSatisfy { $0.isStalled(for: task) == ($0 === queue) }
    }

    func add(_ queue: MessageQueue, of task: Int) { state.withLock { $0.queues[task, default: []].append(queue) } }

    func remove(_ queue: MessageQueue, of task: Int) {
        state.withLock { state in
            state.queues[task]?.removeAll { $0 === queue }
            if state.queues[task]?.isEmpty == true { state.queues[task] = nil }
        }
    }

    func watch(_ task: Int, fail: @escaping @Sendable () -> Void) -> UInt64 {
        state.withLock { state in
            state.nextWatch += 1
            state.watches[state.nextWatch] = (task, fail)
            return state.nextWatch
        }
    }

    func unwatch(_ watch: UInt64) { state.withLock { _ = $0.watches.removeValue(forKey: watch) } }

    /// The connection is not read any more: fails the waits of those tasks that are the reason.
    func readingStopped() {
        let watches = state.withLock { $0.watches.sorted { $0.key < $1.key } }
        for (_, watch) in watches where isStalled(watch.task) { watch.fail() }
    }
}
