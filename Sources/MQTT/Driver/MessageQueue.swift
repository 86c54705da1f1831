internal import DequeModule
internal import Synchronization

/// Received messages that wait for one sequence to ask for them. Bounded: when it is full, the connection is not read.
final class MessageQueue: Sendable {
    typealias Waiter = CheckedContinuation<Void, Never>

    /// Messages that are handed out at a time, as far as they did not come together anyway.
    private static let batch = 512

    enum End: Sendable {
        /// The sequence ends.
        case finished
        /// The sequence throws.
        case failed(MQTTError)
    }

    private enum Scope {
        case open
        /// Left normally: what is left is released and dropped.
        case left
        /// Left by an error: what is left goes to whoever comes next.
        case abandoned
    }

    private struct State {
        /// None of them is empty.
        var runs = Deque<ReceivedRun>()
        /// Messages and bytes that were appended and not yet consumed, those taken by the iterator included.
        var heldMessages = 0
        var heldBytes = 0
        var isFull = false
        var end: End?
        var waiter: Waiter?
        var isCanceled = false
        var scope = Scope.open
        var iterators = 0
        /// Messages appended so far: tells how long those at hand have been there.
        var appended: UInt64 = 0
        /// What an iterator handed out last and never released.
        var unreleased = ReceivedRun()
        /// The payload of the message that was handed out last, when it is streamed.
        var stream: PayloadStream?
        /// The one among the messages that the iterator has taken and not handed out.
        var streamAtHand: PayloadStream?
        /// The task that asked last, to tell when it waits for something that only reading could bring.
        var consumer: Int?

        mutating func hold(_ run: ReceivedRun) {
            heldMessages += run.count
            heldBytes += run.heldBytes
        }

        mutating func drop(_ run: ReceivedRun) {
            heldMessages -= run.count
            heldBytes -= run.heldBytes
        }

        /// Ahead of all others, but for those that came before it.
        mutating func prepend(_ run: ReceivedRun) {
            if run.isEmpty { return }
            // Others may have come back since it was taken, while those behind it were elsewhere.
            let place = runs.firstIndex { $0.arrival >= run.arrival } ?? runs.endIndex
            runs.insert(run, at: place)
        }
    }

    private let limits: Limits
    private let gate: ReadGate
    private let consumers: ConsumerTable
    let releases: ReleaseBox
    /// Takes what is left when the scope ends by an error.
    private let giveBack: @Sendable ([ReceivedRun]) -> Void
    private let state = BusyMutex(State())
    /// Called when messages were left behind.
    private let onUnattended = Mutex<Callback?>(nil)

    init(
        limits: Limits, gate: ReadGate, releases: ReleaseBox, consumers: ConsumerTable,
        giveBack: @escaping @Sendable ([ReceivedRun]) -> Void
    ) {
        self.limits = limits
        self.gate = gate
        self.consumers = consumers
        self.releases = releases
        self.giveBack = giveBack
    }

    var firstTopic: String? { state.withLock { state in state.runs.first.map { $0.topic(at: $0.indices.lowerBound) } } }
    func onUnattended(_ action: @escaping @Sendable () -> Void) { onUnattended.withLock { $0 = Callback(action) } }

    /// Whether messages wait that nobody is there to ask for.
    var isUnattended: Bool { state.withLock { $0.iterators == 0 && !$0.runs.isEmpty } }
    var appended: UInt64 { state.withLock { $0.appended } }

    /// Whether nothing is read until its consumer, the task, asks for more of it.
    func isStalled(for task: Int) -> Bool {
        let (isFull, streams) = state.withLock { state -> (Bool, [PayloadStream]) in
            // Beside the one that is being read, those that nobody has seen yet.
            let waiting = state.waiter == nil ? state.runs.compactMap(\.lastStream) : []
            return (state.isFull && state.waiter == nil, [state.stream, state.streamAtHand].compactMap(\.self) + waiting)
        }
        return isFull || streams.contains { $0.isStalled(for: task) }
    }

    /// The streamed payload of the message that was handed out last.
    ///
    /// - Parameters:
    ///   - consumed: Messages that were handed out up to this one, which counts no more: it is the stream that keeps the connection from
    ///     being read while its reader is behind. A queue that is full with it alone would wait for itself.
    ///   - bytes: Of theirs.
    func reading(_ stream: PayloadStream?, consumed: Int = 0, bytes: Int = 0) {
        update { state in
            state.stream = stream
            state.heldMessages -= consumed
            state.heldBytes -= bytes
        }
    }

    // MARK: The connection

    func append(_ received: [ReceivedRun]) {
        let (waiter, closes, scope) = state.withLock { state -> (Waiter?, Bool, Scope) in
            guard state.scope == .open else { return (nil, false, state.scope) }
            for run in received {
                state.runs.append(run)
                state.appended += UInt64(run.count)
                state.hold(run)
            }
            let closes = !state.isFull && (state.heldMessages >= limits.receivedMessages || state.heldBytes >= limits.receivedBytes)
            if closes { state.isFull = true }
            defer { state.waiter = nil }
            return (state.waiter, closes, .open)
        }
        if closes { gate.close() }
        waiter?.resume()
        switch scope {
        case .open: break
        case .left: for run in received { releases.release(run) }
        case .abandoned: giveBack(received)
        }
    }

    /// Drops what the broker will deliver again.
    func dropStale() {
        for run in remove(where: { run, index in run.isStale(at: index, releases) }) {
            for index in run.indices { run.skip(at: index) }
        }
    }

    /// No more messages come. Those that are there can still be asked for.
    func end(_ end: End) {
        let waiter = state.withLock { state -> Waiter? in
            if state.end == nil { state.end = end }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Takes out what another sequence claims.
    func remove(where claims: (ReceivedRun, Int) -> Bool) -> [ReceivedRun] {
        var removed: [ReceivedRun] = []
        update { state in
            var left = Deque<ReceivedRun>()
            for run in state.runs {
                guard let parts = run.partition(where: claims) else {
                    left.append(run)
                    continue
                }
                let claimed = ReceivedRun(parts.claimed, arrival: run.arrival)
                state.drop(claimed)
                removed.append(claimed)
                if !parts.left.isEmpty { left.append(ReceivedRun(parts.left, arrival: run.arrival)) }
            }
            state.runs = left
        }
        return removed
    }

    /// Takes out what was there when `appended` was read.
    func remove(appendedUpTo mark: UInt64) -> [ReceivedRun] {
        var removed: [ReceivedRun] = []
        update { state in
            var toRemove = state.runs.reduce(0) { $0 + $1.count } - Int(clamping: state.appended - mark)
            while toRemove > 0, let run = state.runs.popFirst() {
                let split = run.indices.lowerBound + min(toRemove, run.count)
                let taken = run[run.indices.lowerBound..<split]
                state.prepend(run[split..<run.indices.upperBound])
                state.drop(taken)
                toRemove -= taken.count
                removed.append(taken)
            }
        }
        return removed
    }

    // MARK: The iterator

    func attach() {
        state.withLock { state in
            state.iterators += 1
            state.prepend(state.unreleased)
            state.hold(state.unreleased)
            state.unreleased = ReceivedRun()
        }
    }

    /// The next messages, after `consumed` messages with `consumedBytes` of those before. Waits for one at least.
    /// Nil when the sequence has ended.
    ///
    /// - Parameter joins: Whether many that came one at a time are better than the first of them.
    func take(
        consumed: Int, bytes: Int, joins: Bool, isolation actor: isolated (any Actor)?
    ) async throws(MQTTError) -> ReceivedRun? {
        var consumed = consumed
        var consumedBytes = bytes
        note(consumer: currentTaskIdentity())
        while true {
            var end: End?
            var runs: [ReceivedRun] = []
            update { state in
                state.heldMessages -= consumed
                state.heldBytes -= consumedBytes
                var count = 0
                while count < (joins ? Self.batch / 2 : 1), let run = state.runs.popFirst() {
                    runs.append(run)
                    count += run.count
                    // A stream is the last of a run: it is read ahead of what follows.
                    if run.lastStream != nil { break }
                }
                state.streamAtHand = runs.last?.lastStream
                end = state.end
            }
            (consumed, consumedBytes) = (0, 0)
            if !runs.isEmpty { return ReceivedRun.joined(runs) }
            switch end {
            case .finished: return nil
            case .failed(let error): throw error
            case nil: try await wait()
            }
        }
    }

    /// The task that asks, or is about to.
    func note(consumer task: Int?) {
        let before = state.withLock { state in
            defer { state.consumer = task }
            return state.consumer
        }
        guard before != task else { return }
        if let before { consumers.remove(self, of: before) }
        if let task { consumers.add(self, of: task) }
    }

    /// Waits for a message, the end or cancellation.
    private func wait() async throws(MQTTError) {
        var isAlone = true
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: Waiter) in
                let resumes = state.withLock { state -> Bool in
                    if !state.runs.isEmpty || state.end != nil || state.isCanceled { return true }
                    isAlone = state.waiter == nil
                    guard isAlone else { return true }
                    state.waiter = continuation
                    return false
                }
                if resumes { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                state.isCanceled = true
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume()
        }
        let isCanceled = state.withLock { state in
            defer { state.isCanceled = false }
            return state.isCanceled
        }
        if isCanceled { throw MQTTError(.canceled, .notSent, "waiting for a message was canceled") }
        guard isAlone else { throw .denied("another task waits for messages of the same sequence") }
    }

    /// The iterator is gone: what it took and did not hand out comes first for the next one, behind what it did not release.
    func detach(unreleased: ReceivedRun, unread: ReceivedRun, consumed: Int, bytes: Int) {
        var toRelease: [ReceivedRun] = []
        var toGiveBack: [ReceivedRun] = []
        note(consumer: nil)
        update { state in
            state.iterators -= 1
            state.stream = nil
            state.streamAtHand = nil
            state.heldMessages -= consumed
            state.heldBytes -= bytes
            switch state.scope {
            case .open:
                state.unreleased = unreleased
                state.prepend(unread)
            case .left: toRelease = [unreleased, unread]
            case .abandoned: toGiveBack = [unreleased, unread].filter { !$0.isEmpty }
            }
        }
        for run in toRelease { releases.release(run) }
        if !toGiveBack.isEmpty { giveBack(toGiveBack) }
        left()
    }

    // MARK: The scope

    /// The scope was left. Normally: what was handed out last is released, what was not asked for is released and dropped.
    func leave(normally: Bool) {
        var left: [ReceivedRun] = []
        note(consumer: nil)
        update { state in
            state.scope = normally ? .left : .abandoned
            state.end = state.end ?? .finished
            state.prepend(state.unreleased)
            // Of an empty deque the conversion writes to the empty array that all threads share, as the thread sanitizer sees it.
            if !state.runs.isEmpty { left = Array(state.runs) }
            state.unreleased = ReceivedRun()
            state.runs = []
            state.heldMessages = 0
            state.heldBytes = 0
        }
        if normally {
            for run in left { releases.release(run) }
        } else if !left.isEmpty {
            giveBack(left)
        }
    }

    /// Takes messages back that came before all others, or among them.
    func prepend(_ received: [ReceivedRun]) {
        var waiter: Waiter?
        update { state in
            for run in received.reversed() {
                state.prepend(run)
                state.hold(run)
            }
            waiter = state.waiter
            state.waiter = nil
        }
        waiter?.resume()
        left()
    }

    /// Messages may be there, and nobody to ask for them.
    private func left() {
        guard isUnattended, let action = onUnattended.withLock({ $0 }) else { return }
        action()
    }

    /// Changes the state, and opens the gate when that made room.
    private func update(_ change: (inout State) -> Void) {
        let opens = state.withLock { state -> Bool in
            change(&state)
            let hasRoom = state.heldMessages <= limits.receivedMessages / 2 && state.heldBytes <= limits.receivedBytes / 2
            guard state.isFull, hasRoom || state.scope != .open else { return false }
            state.isFull = false
            return true
        }
        if opens { gate.open() }
    }
}
