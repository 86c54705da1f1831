internal import DequeModule
internal import Synchronization

/// Received messages that wait for one sequence to ask for them. Bounded: when it is full, the connection is not read.
final class MessageQueue: Sendable {
    typealias Waiter = CheckedContinuation<Void, Never>

    /// Messages that an iterator takes at a time.
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
        var items = Deque<Received>()
        /// Messages and bytes that were appended and not yet consumed, those taken by the iterator included.
        var heldMessages = 0
        var heldBytes = 0
        var isFull = false
        var end: End?
        var waiter: Waiter?
        var isCanceled = false
        var scope = Scope.open
        var hasIterator = false
        /// The message that an iterator handed out last and never released.
        var unreleased: Received?
        /// The task that asked last, to tell when it waits for something that only reading could bring.
        var consumer: Int?
    }

    private let limits: Limits
    private let gate: ReadGate
    private let consumers: ConsumerTable
    let releases: ReleaseBox
    /// Takes what is left when the scope ends by an error.
    private let giveBack: @Sendable ([Received]) -> Void
    private let state = Mutex(State())

    init(
        limits: Limits, gate: ReadGate, releases: ReleaseBox, consumers: ConsumerTable,
        giveBack: @escaping @Sendable ([Received]) -> Void
    ) {
        self.limits = limits
        self.gate = gate
        self.consumers = consumers
        self.releases = releases
        self.giveBack = giveBack
    }

    var hasIterator: Bool { state.withLock { $0.hasIterator } }
    var isEmpty: Bool { state.withLock { $0.items.isEmpty } }
    var firstTopic: String? { state.withLock { $0.items.first?.message.topic } }

    /// Whether it is full, so that nothing is read until its consumer asks for messages.
    var isStalled: Bool { state.withLock { $0.isFull && $0.waiter == nil } }

    // MARK: The connection

    func append(_ received: some Collection<Received>) {
        let (waiter, closes, dropped) = state.withLock { state -> (Waiter?, Bool, Bool) in
            switch state.scope {
            case .open: break
            case .left, .abandoned: return (nil, false, true)
            }
            state.items.append(contentsOf: received)
            state.heldMessages += received.count
            for item in received { state.heldBytes += item.heldBytes }
            let closes = !state.isFull && (state.heldMessages >= limits.receivedMessages || state.heldBytes >= limits.receivedBytes)
            if closes { state.isFull = true }
            defer { state.waiter = nil }
            return (state.waiter, closes, false)
        }
        if closes { gate.close() }
        waiter?.resume()
        if dropped { for item in received { releases.release(item) } }
    }

    /// Drops what the broker will deliver again.
    func dropStale() {
        update { state in
            state.items.removeAll { item in
                guard releases.isStale(item) else { return false }
                state.heldMessages -= 1
                state.heldBytes -= item.heldBytes
                return true
            }
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
    func remove(where claims: (Received) -> Bool) -> [Received] {
        var removed: [Received] = []
        update { state in
            state.items.removeAll { item in
                guard claims(item) else { return false }
                state.heldMessages -= 1
                state.heldBytes -= item.heldBytes
                removed.append(item)
                return true
            }
        }
        return removed
    }

    // MARK: The iterator

    func attach() {
        state.withLock { state in
            state.hasIterator = true
            guard let unreleased = state.unreleased else { return }
            state.items.prepend(unreleased)
            state.heldMessages += 1
            state.heldBytes += unreleased.heldBytes
            state.unreleased = nil
        }
    }

    /// The next messages, after `consumed` messages with `consumedBytes` of those before. Waits for one at least.
    /// Nil when the sequence has ended.
    func take(
        into batch: inout [Received], consumed: Int, bytes: Int, isolation actor: isolated (any Actor)?
    ) async throws(MQTTError) -> Bool {
        var consumed = consumed
        var consumedBytes = bytes
        note(consumer: currentTaskIdentity())
        while true {
            var end: End?
            update { state in
                state.heldMessages -= consumed
                state.heldBytes -= consumedBytes
                if state.items.count <= Self.batch {
                    batch.append(contentsOf: state.items)
                    state.items.removeAll(keepingCapacity: true)
                } else {
                    batch.append(contentsOf: state.items.prefix(Self.batch))
                    state.items.removeFirst(Self.batch)
                }
                end = state.end
            }
            (consumed, consumedBytes) = (0, 0)
            if !batch.isEmpty { return true }
            switch end {
            case .finished: return false
            case .failed(let error): throw error
            case nil: try await wait()
            }
        }
    }

    private func note(consumer task: Int?) {
        let before = state.withLock { state in
            defer { state.consumer = task }
            return state.consumer
        }
        guard before != task else { return }
        if let before { consumers.remove(before) }
        if let task { consumers.set(self, for: task) }
    }

    /// Waits for a message, the end or cancellation.
    private func wait() async throws(MQTTError) {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: Waiter) in
                let resumes = state.withLock { state -> Bool in
                    if !state.items.isEmpty || state.end != nil || state.isCanceled { return true }
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
    }

    /// The iterator is gone: what it took and did not hand out comes first for the next one.
    func detach(unreleased: Received?, unread: ArraySlice<Received>, consumed: Int, bytes: Int) {
        var toRelease: [Received] = []
        var toGiveBack: [Received] = []
        note(consumer: nil)
        update { state in
            state.hasIterator = false
            state.heldMessages -= consumed
            state.heldBytes -= bytes
            switch state.scope {
            case .open:
                state.unreleased = unreleased
                state.items.prepend(contentsOf: unread)
            case .left: toRelease = [unreleased].compactMap(\.self) + unread
            case .abandoned: toGiveBack = [unreleased].compactMap(\.self) + unread
            }
        }
        for item in toRelease { releases.release(item) }
        if !toGiveBack.isEmpty { giveBack(toGiveBack) }
    }

    // MARK: The scope

    /// The scope was left. Normally: what was handed out last is released, what was not asked for is released and dropped.
    func leave(normally: Bool) {
        var left: [Received] = []
        update { state in
            state.scope = normally ? .left : .abandoned
            state.end = state.end ?? .finished
            left = [state.unreleased].compactMap(\.self) + state.items
            state.unreleased = nil
            state.items = []
            state.heldMessages = 0
            state.heldBytes = 0
        }
        if normally {
            for item in left { releases.release(item) }
        } else if !left.isEmpty {
            giveBack(left)
        }
    }

    /// Puts messages ahead of all others.
    func prepend(_ received: [Received]) {
        update { state in
            state.items.prepend(contentsOf: received)
            state.heldMessages += received.count
            for item in received { state.heldBytes += item.heldBytes }
        }
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
