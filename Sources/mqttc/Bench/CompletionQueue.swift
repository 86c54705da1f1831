import Histogram
import MQTT
import Synchronization

/// Deliveries under way, between the task that publishes and the one that waits for their completion: a latency is that of the
/// message, not of when somebody looked.
final class CompletionQueue: Sendable {
    private struct State {
        var entries: [(Delivery, UInt64)] = []
        var isFinished = false
        var waiter: CheckedContinuation<Void, Never>?

        mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
            defer { waiter = nil }
            return waiter
        }
    }

    private let state = Mutex(State())

    func append(_ delivery: Delivery, begin: UInt64) {
        let waiter = state.withLock { state in
            state.entries.append((delivery, begin))
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    /// Nothing follows.
    func finish() {
        let waiter = state.withLock { state in
            state.isFinished = true
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    /// Waits for the completion of each, in order, until the queue is finished and empty.
    func drain(_ meter: BenchMeter, counts: Bool) async {
        var histogram = BenchMeter.emptyHistogram
        while let batch = await next() {
            for (delivery, begin) in batch {
                do throws(MQTTError) {
                    _ = try await delivery.completed
                    histogram.record(Ticks.now - begin)
                } catch {
                    meter.lose()
                }
            }
            if counts { meter.complete(batch.count) }
        }
        if counts { meter.add(histogram) }
    }

    private func next() async -> [(Delivery, UInt64)]? {
        while true {
            let (batch, isFinished) = state.withLock { state in
                let batch = state.entries
                state.entries = []
                return (batch, state.isFinished)
            }
            if !batch.isEmpty { return batch }
            if isFinished { return nil }
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.isFinished || !state.entries.isEmpty { return true }
                    state.waiter = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        }
    }
}
