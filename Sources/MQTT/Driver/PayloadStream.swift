internal import NIOCore
internal import Synchronization

/// The payload of a received message that is too large to be held: bytes arrive from the connection while they are asked for.
///
/// When the consumer is behind, the connection is not read. When it skips the rest, the rest is dropped as it arrives.
final class PayloadStream: Sendable {
    private typealias Reader = CheckedContinuation<Result<ByteBuffer?, MQTTError>, Never>

    private struct State {
        var chunks: [ByteBuffer] = []
        var bufferedBytes = 0
        var arrived = 0
        var isSkipped = false
        var failure: MQTTError?
        var waiting: Reader?
        var isPausing = false
        var isCanceled = false
        /// The task that asked last, to tell when it waits for something that only reading could bring.
        var reader: Int?
        /// The same payload, for other sequences.
        var forks: [PayloadStream] = []
    }

    /// Bytes held before the connection is not read any more.
    static let capacity = 256 << 10

    let count: Int
    private let gate: ReadGate
    private let state: Mutex<State>

    convenience init(count: Int, gate: ReadGate) { self.init(count: count, gate: gate, State()) }

    private init(count: Int, gate: ReadGate, _ state: sending State) {
        self.count = count
        self.gate = gate
        self.state = Mutex(state)
    }

    var isBroken: Bool { state.withLock { $0.failure != nil } }

    /// Whether nothing is read until the task reads on: nobody else does.
    func isStalled(for task: Int) -> Bool {
        state.withLock { $0.isPausing && ($0.reader == nil || $0.reader == task) }
    }

    /// A second reader of the same bytes. Not once this one has been read from.
    func fork() -> PayloadStream {
        let fork = state.withLock { state in
            var copy = State()
            copy.chunks = state.chunks
            copy.bufferedBytes = state.bufferedBytes
            copy.arrived = state.arrived
            copy.failure = state.failure
            copy.isPausing = state.isPausing
            let fork = PayloadStream(count: count, gate: gate, copy)
            state.forks.append(fork)
            return fork
        }
        if fork.state.withLock({ $0.isPausing }) { gate.close() }
        return fork
    }

    // MARK: The connection

    func append(_ chunk: ByteBuffer) {
        let (waiting, pauses, forks) = state.withLock { state -> (Reader?, Bool, [PayloadStream]) in
            state.arrived += chunk.readableBytes
            if state.isSkipped { return (nil, false, state.forks) }
            if let waiting = state.waiting {
                state.waiting = nil
                return (waiting, false, state.forks)
            }
            state.chunks.append(chunk)
            state.bufferedBytes += chunk.readableBytes
            let pauses = !state.isPausing && state.bufferedBytes >= Self.capacity
            if pauses { state.isPausing = true }
            return (nil, pauses, state.forks)
        }
        if pauses { gate.close() }
        waiting?.resume(returning: .success(chunk))
        for fork in forks { fork.append(chunk) }
    }

    /// The connection was lost before the last byte.
    func fail(_ error: MQTTError) {
        let (waiting, resumes, forks) = state.withLock { state -> (Reader?, Bool, [PayloadStream]) in
            guard state.arrived < count, state.failure == nil else { return (nil, false, []) }
            state.failure = error
            state.chunks = []
            state.bufferedBytes = 0
            defer {
                state.waiting = nil
                state.isPausing = false
            }
            return (state.waiting, state.isPausing, state.forks)
        }
        if resumes { gate.open() }
        waiting?.resume(returning: .failure(error))
        for fork in forks { fork.fail(error) }
    }

    // MARK: The consumer

    /// The rest is not wanted.
    func skip() {
        let (waiting, resumes) = state.withLock { state -> (Reader?, Bool) in
            // All of it was read: then there is nothing to miss.
            state.isSkipped = state.arrived < count || !state.chunks.isEmpty
            state.chunks = []
            state.bufferedBytes = 0
            defer {
                state.waiting = nil
                state.isPausing = false
            }
            return (state.waiting, state.isPausing)
        }
        if resumes { gate.open() }
        waiting?.resume(returning: .failure(Self.skipped))
    }

    func next(isolation actor: isolated (any Actor)?) async throws(MQTTError) -> ByteBuffer? {
        let task = currentTaskIdentity()
        let (ready, resumes) = state.withLock { state -> (Result<ByteBuffer?, MQTTError>?, Bool) in
            state.reader = task
            guard !state.chunks.isEmpty else { return (end(state), false) }
            let chunk = state.chunks.removeFirst()
            state.bufferedBytes -= chunk.readableBytes
            let resumes = state.isPausing && state.bufferedBytes < Self.capacity / 2
            if resumes { state.isPausing = false }
            return (.success(chunk), resumes)
        }
        if resumes { gate.open() }
        if let ready { return try ready.get() }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in wait(continuation) }
        } onCancel: {
            cancel()
        }
        state.withLock { $0.isCanceled = false }
        return try result.get()
    }

    private func end(_ state: borrowing State) -> Result<ByteBuffer?, MQTTError>? {
        if let failure = state.failure { return .failure(failure) }
        if state.isSkipped { return .failure(Self.skipped) }
        if state.arrived >= count { return .success(nil) }
        if state.waiting != nil { return .failure(.denied("the payload is being read by another task")) }
        return nil
    }

    private func wait(_ continuation: Reader) {
        let ready = state.withLock { state -> Result<ByteBuffer?, MQTTError>? in
            if !state.chunks.isEmpty {
                let chunk = state.chunks.removeFirst()
                state.bufferedBytes -= chunk.readableBytes
                return .success(chunk)
            }
            if let end = end(state) { return end }
            if state.isCanceled { return .failure(Self.canceled) }
            state.waiting = continuation
            return nil
        }
        if let ready { continuation.resume(returning: ready) }
    }

    private func cancel() {
        let waiting = state.withLock { state -> Reader? in
            state.isCanceled = true
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume(returning: .failure(Self.canceled))
    }

    private static var canceled: MQTTError { MQTTError(.canceled, .kept, "reading the payload was canceled; it can go on") }
    private static var skipped: MQTTError {
        MQTTError(.payloadUnavailable, .kept, "the next message was asked for, so the rest of this payload was dropped")
    }
}
