internal import Synchronization

/// Which task consumes which queue: to notice when a task waits for an answer that cannot arrive, because the connection is not
/// read while the task's own queue is full.
final class ConsumerTable: Sendable {
    private struct State {
        var queues: [Int: MessageQueue] = [:]
        var watches: [UInt64: (task: Int, fail: @Sendable () -> Void)] = [:]
        var nextWatch: UInt64 = 0
    }

    private let state = Mutex(State())

    func queue(of task: Int) -> MessageQueue? { state.withLock { $0.queues[task] } }

    func set(_ queue: MessageQueue, for task: Int) { state.withLock { $0.queues[task] = queue } }

    func remove(_ task: Int) { state.withLock { _ = $0.queues.removeValue(forKey: task) } }

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
        let failing = state.withLock { state in
            state.watches.values.compactMap { watch in state.queues[watch.task].map { ($0, watch.fail) } }
        }
        for (queue, fail) in failing where queue.isStalled { fail() }
    }
}
