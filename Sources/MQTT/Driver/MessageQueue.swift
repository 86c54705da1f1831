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
        var iterators = 0
        /// Messages appended so far: tells how long those at hand have been there.
        var appended: UInt64 = 0
        /// The message that an iterator handed out last and never released.
        var unreleased: Received?
        /// The payload of the message that was handed out last, when it is streamed.
        var stream: PayloadStream?
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
    /// Called when messages were left behind.
    private let onUnattended = Mutex<Callback?>(nil)

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

    var firstTopic: String? { state.withLock { $0.items.first?.message.topic } }
    func onUnattended(_ action: @escaping @Sendable () -> Void) { onUnattended.withLock { $0 = Callback(action) } }

    /// Whether messages wait that nobody is there to ask for.
    var isUnattended: Bool { state.withLock { $0.iterators == 0 && !$0.items.isEmpty } }
    var appended: UInt64 { state.withLock { $0.appended } }

    /// Whether nothing is read until its consumer, the task, asks for more of it.
    func isStalled(for task: Int) -> Bool {
        let (isFull, stream) = state.withLock { ($0.isFull && $0.waiter == nil, $0.stream) }
        return isFull || stream?.isStalled(for: task) == true
    }

    /// The streamed payload of the message that was handed out last.
    func reading(_ stream: PayloadStream?) { state.withLock { $0.stream = stream } }

    // MARK: The connection

    func append(_ received: some Collection<Received>) {
        let (waiter, closes, scope) = state.withLock { state -> (Waiter?, Bool, Scope) in
            guard state.scope == .open else { return (nil, false, state.scope) }
            state.items.append(contentsOf: received)
            state.appended += UInt64(received.count)
            state.heldMessages += received.count
            for item in received { state.heldBytes += item.heldBytes }
            let closes = !state.isFull && (state.heldMessages >= limits.receivedMessages || state.heldBytes >= limits.receivedBytes)
            if closes { state.isFull = true }
            defer { state.waiter = nil }
            return (state.waiter, closes, .open)
        }
        if closes { gate.close() }
        waiter?.resume()
        switch scope {
        case .open: break
        case .left: for item in received { releases.release(item) }
        case .abandoned: giveBack(Array(received))
        }
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

    /// Takes out what was there when `appended` was read.
    func remove(appendedUpTo mark: UInt64) -> [Received] {
        var removed: [Received] = []
        update { state in
            let later = Int(min(state.appended - mark, UInt64(state.items.count)))
            removed = Array(state.items.prefix(state.items.count - later))
            state.items.removeFirst(removed.count)
            state.heldMessages -= removed.count
            for item in removed { state.heldBytes -= item.heldBytes }
        }
        return removed
    }

    // MARK: The iterator

    func attach() {
        state.withLock { state in
            state.iterators += 1
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
        if let before { consumers.remove(self, of: before) }
        if let task { consumers.add(self, of: task) }
    }

    /// Waits for a message, the end or cancellation.
    private func wait() async throws(MQTTError) {
        var isAlone = true
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: Waiter) in
                let resumes = state.withLock { state -> Bool in
                    if !state.items.isEmpty || state.end != nil || state.isCanceled { return true }
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

    /// The iterator is gone: what it took and did not hand out comes first for the next one.
    func detach(unreleased: Received?, unread: ArraySlice<Received>, consumed: Int, bytes: Int) {
        var toRelease: [Received] = []
        var toGiveBack: [Received] = []
        note(consumer: nil)
        update { state in
            state.iterators -= 1
            state.stream = nil
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
        left()
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
        var waiter: Waiter?
        update { state in
            state.items.prepend(contentsOf: received)
            state.heldMessages += received.count
            for item in received { state.heldBytes += item.heldBytes }
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
