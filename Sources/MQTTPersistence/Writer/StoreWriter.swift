package import MQTTCore
internal import Synchronization

/// Writes the stores of the process on one thread, which is there as long as there is an open store.
///
/// What arrives while a commit is under way goes into the next one: one sync for all of it. A store that fails waits by itself, for
/// longer each time; the others go on.
package final class StoreWriter: Sendable {
    /// What there is to do for a store.
    struct Work: Sendable {
        let store: any SessionStore
        let report: @Sendable (StoreEvent) -> Void
        /// Behind what failed, if anything did.
        var changes: [StoreChange] = []
        /// The number of the last of them.
        var number: UInt64 = 0
        var calls: [@Sendable (any SessionStore) -> Void] = []
        var closing: (@Sendable (MQTTError?) -> Void)?
        /// Not before.
        var retryAt: ContinuousClock.Instant?
        var failures = 0
        /// When what is committed, and not synced, is to be synced.
        var flushAt: ContinuousClock.Instant?
    }

    private struct State: Sendable {
        var works: [Int: Work] = [:]
        var nextNumber = 0
        /// The store that had its turn last.
        var last = -1
        var isRunning = false
        var isWaiting = false
    }

    private enum Turn {
        case work(Int, Work, isFlush: Bool)
        case none(TurnEnd)
    }

    package static let shared = StoreWriter()

    /// How long lazy removals may stay in memory of the operating system while nothing else comes.
    private static let laziness = Duration.seconds(1)

    private let state = Mutex(State())
    /// Made with the first store.
    private let thread: Mutex<(any WriterThread)?>
    private let firstRetry: Duration
    private let lastRetry: Duration

    package init(
        firstRetry: Duration = .milliseconds(50), lastRetry: Duration = .seconds(5), on thread: (any WriterThread)? = nil
    ) {
        self.firstRetry = firstRetry
        self.lastRetry = lastRetry
        self.thread = Mutex(thread)
    }

    /// Takes care of an open store.
    /// - Parameter report: Called on the writer's thread, in order.
    package func queue(
        for store: any SessionStore, _ report: @escaping @Sendable (StoreEvent) -> Void
    ) throws(MQTTError) -> StoreQueue {
        let thread = try thread.withLock { thread throws(MQTTError) in
            if let thread { return thread }
            do throws(FileFault) {
                let new = try SystemWriterThread()
                thread = new
                return new as any WriterThread
            } catch { throw .cannotWrite(error) }
        }
        let (number, isStarting) = state.withLock { state in
            defer { state.nextNumber += 1 }
            state.works[state.nextNumber] = Work(store: store, report: report)
            defer { state.isRunning = true }
            return (state.nextNumber, !state.isRunning)
        }
        guard isStarting else { return StoreQueue(number, of: self) }
        do throws(FileFault) { try thread.start { self.takeTurn(at: thread.now) } } catch {
            state.withLock { state in
                state.works[number] = nil
                state.isRunning = false
            }
            throw .cannotWrite(error)
        }
        return StoreQueue(number, of: self)
    }

    func update(_ number: Int, _ change: (inout Work) -> Void) {
        let isWaiting = state.withLock { state in
            Self.change(&state.works[number], change)
            defer { state.isWaiting = false }
            return state.isWaiting
        }
        if isWaiting { thread.withLock { $0 }?.wakeUp() }
    }

    /// In place: the changes that wait are not copied.
    private static func change(_ work: inout Work?, _ change: (inout Work) -> Void) {
        guard var open = work.take() else { return }
        precondition(open.closing == nil, "nothing follows the end of a store")
        change(&open)
        work = open
    }

    // MARK: The thread

    private func takeTurn(at now: ContinuousClock.Instant) -> TurnEnd {
        switch state.withLock({ nextTurn(&$0, at: now) }) {
        case .work(let number, let work, let isFlush):
            perform(number, work, isFlush: isFlush)
            return .another
        case .none(let end): return end
        }
    }

    private var now: ContinuousClock.Instant { thread.withLock { $0 }?.now ?? .now }

    /// Each store in turn.
    private func nextTurn(_ state: inout State, at now: ContinuousClock.Instant) -> Turn {
        state.isWaiting = false
        var next: ContinuousClock.Instant?
        let numbers = state.works.keys.sorted()
        for number in numbers.filter({ $0 > state.last }) + numbers.filter({ $0 <= state.last }) {
            guard var work = state.works[number] else { continue }
            let mayWrite = work.closing != nil || (work.retryAt ?? now) <= now
            let isFlush = mayWrite && (work.flushAt.map { $0 <= now } ?? false)
            if !work.calls.isEmpty || work.closing != nil || isFlush || mayWrite && !work.changes.isEmpty {
                state.last = number
                state.works[number]?.calls = []
                if mayWrite { state.works[number]?.changes = [] } else { work.changes = [] }
                return .work(number, work, isFlush: isFlush)
            }
            let wanted = work.changes.isEmpty ? work.flushAt : work.retryAt
            if let instant = wanted.map({ max($0, work.retryAt ?? $0) }) { next = min(next ?? instant, instant) }
        }
        state.isRunning = !state.works.isEmpty
        state.isWaiting = state.isRunning
        return .none(state.isRunning ? .pause(next.map { now.duration(to: $0) }) : .last)
    }

    private func perform(_ number: Int, _ work: Work, isFlush: Bool) {
        for call in work.calls { call(work.store) }
        var failure: MQTTError?
        do throws(MQTTError) {
            if !work.changes.isEmpty { try work.store.commit(work.changes) }
            if isFlush { try work.store.flush() }
        } catch { failure = error }
        if let failure { return failed(number, work, failure) }
        if !work.changes.isEmpty || isFlush { succeeded(number, work, isFlush: isFlush) }
        if let closing = work.closing { close(number, work, closing, nil) }
    }

    private func succeeded(_ number: Int, _ work: Work, isFlush: Bool) {
        let delay: Duration? =
            switch work.store.durability {
            case .everyCommit: work.changes.allSatisfy(\.isLazy) ? Self.laziness : nil
            case .interval(let interval): interval
            }
        let now = now
        state.withLock { state in
            state.works[number]?.retryAt = nil
            state.works[number]?.failures = 0
            let flushAt = isFlush || delay == nil ? nil : work.flushAt ?? delay.map { now + $0 }
            state.works[number]?.flushAt = flushAt
        }
        // A flush that goes well again says so too: the session accepts nothing until it hears that the store can be written.
        if !work.changes.isEmpty || work.failures > 0 { work.report(.stored(upTo: work.number)) }
    }

    private func failed(_ number: Int, _ work: Work, _ failure: MQTTError) {
        let delay = min(firstRetry * (1 << min(work.failures, 16)), lastRetry)
        let then = now + delay
        state.withLock { state in
            guard var now = state.works[number] else { return }
            now.changes = work.changes + now.changes
            now.retryAt = then
            now.failures += 1
            state.works[number] = now
        }
        work.report(.failed(failure, retryAfter: delay))
        if let closing = work.closing { close(number, work, closing, failure) }
    }

    private func close(_ number: Int, _ work: Work, _ closing: @Sendable (MQTTError?) -> Void, _ failure: MQTTError?) {
        work.store.close()
        state.withLock { $0.works[number] = nil }
        closing(failure)
    }
}
