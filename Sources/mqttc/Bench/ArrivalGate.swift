import Synchronization

/// Keeps a sender no more than a window ahead of the slowest of its receivers: brokers drop what they cannot queue.
final class ArrivalGate: Sendable {
    private struct State {
        var arrived: [Int]
        /// Messages that nobody waits for any more.
        var forgotten = 0
        var waiter: (position: Int, continuation: CheckedContinuation<Void, Never>)?

        var passed: Int { (arrived.min() ?? 0) + forgotten }

        mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
            guard let waiting = waiter, passed >= waiting.position else { return nil }
            waiter = nil
            return waiting.continuation
        }
    }

    private let state: Mutex<State>
    private let window: Int

    init(receivers: Int, window: Int) {
        state = Mutex(State(arrived: Array(repeating: 0, count: receivers)))
        self.window = window
    }

    /// So many arrivals may be told at a time without holding up the sender.
    var batch: Int { min(max(window / 8, 1), 64) }

    func arrived(_ count: Int, at receiver: Int) {
        let waiter = state.withLock { state in
            state.arrived[receiver] += count
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    /// Waits until the message with this number may be sent.
    func pass(_ number: Int) async {
        let position = number - window + 1
        if position <= 0 || state.withLock({ $0.passed >= position }) { return }
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if state.passed >= position { return true }
                state.waiter = (position, continuation)
                return false
            }
            if isOpen { continuation.resume() }
        }
    }

    /// Whether nobody waits.
    var isOpen: Bool { state.withLock { $0.waiter == nil } }

    /// What has not come so far is lost: the sender goes on without it.
    func giveUp() {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard let waiting = state.waiter else { return nil }
            state.forgotten += max(waiting.position + window - 1 - state.passed, 0)
            return state.takeWaiter()
        }
        waiter?.resume()
    }
}
