internal import NIOCore
internal import Synchronization

/// The payload of a received message that is too large to be held: bytes arrive from the connection while they are asked for.
///
/// When the consumer is behind, the connection is not read. When it skips the rest, the rest is dropped as it arrives.
final class PayloadStream: Sendable {
    private struct State {
        var chunks: [ByteBuffer] = []
        var bufferedBytes = 0
        var arrived = 0
        var isSkipped = false
        var failure: MQTTError?
        var waiting: CheckedContinuation<Result<ByteBuffer?, MQTTError>, Never>?
        var isPausing = false
        var isCanceled = false
    }

    /// Bytes held before the connection is not read any more.
    private static let capacity = 256 << 10

    let count: Int
    private let gate: ReadGate
    private let state = Mutex(State())

    init(count: Int, gate: ReadGate) {
        self.count = count
        self.gate = gate
    }

    var isBroken: Bool { state.withLock { $0.failure != nil } }

    // MARK: The connection

    func append(_ chunk: ByteBuffer) {
        let (waiting, pauses) = state.withLock { state -> (CheckedContinuation<Result<ByteBuffer?, MQTTError>, Never>?, Bool) in
            state.arrived += chunk.readableBytes
            if state.isSkipped { return (nil, false) }
            if let waiting = state.waiting {
                state.waiting = nil
                return (waiting, false)
            }
            state.chunks.append(chunk)
            state.bufferedBytes += chunk.readableBytes
            let pauses = !state.isPausing && state.bufferedBytes >= Self.capacity
            if pauses { state.isPausing = true }
            return (nil, pauses)
        }
        if pauses { gate.close() }
        waiting?.resume(returning: .success(chunk))
    }

    /// The connection was lost before the last byte.
    func fail(_ error: MQTTError) {
        let (waiting, resumes) = state.withLock { state -> (CheckedContinuation<Result<ByteBuffer?, MQTTError>, Never>?, Bool) in
            guard state.arrived < count, state.failure == nil else { return (nil, false) }
            state.failure = error
            state.chunks = []
            state.bufferedBytes = 0
            defer {
                state.waiting = nil
                state.isPausing = false
            }
            return (state.waiting, state.isPausing)
        }
        if resumes { gate.open() }
        waiting?.resume(returning: .failure(error))
    }

    // MARK: The consumer

    /// The rest is not wanted.
    func skip() {
        let resumes = state.withLock { state -> Bool in
            state.isSkipped = true
            state.chunks = []
            state.bufferedBytes = 0
            defer { state.isPausing = false }
            return state.isPausing
        }
        if resumes { gate.open() }
    }

    func next(isolation actor: isolated (any Actor)?) async throws(MQTTError) -> ByteBuffer? {
        let (ready, resumes) = state.withLock { state -> (Result<ByteBuffer?, MQTTError>?, Bool) in
            guard !state.chunks.isEmpty else { return (Self.end(state, count), false) }
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
        return try result.get()
    }

    private static func end(_ state: State, _ count: Int) -> Result<ByteBuffer?, MQTTError>? {
        if let failure = state.failure { return .failure(failure) }
        if state.isSkipped || state.arrived >= count { return .success(nil) }
        if state.waiting != nil { return .failure(.denied("the payload is being read by another task")) }
        return nil
    }

    private func wait(_ continuation: CheckedContinuation<Result<ByteBuffer?, MQTTError>, Never>) {
        let ready = state.withLock { state -> Result<ByteBuffer?, MQTTError>? in
            if !state.chunks.isEmpty {
                let chunk = state.chunks.removeFirst()
                state.bufferedBytes -= chunk.readableBytes
                return .success(chunk)
            }
            if let end = Self.end(state, count) { return end }
            if state.isCanceled {
                state.isCanceled = false
                return .failure(Self.canceled)
            }
            state.waiting = continuation
            return nil
        }
        if let ready { continuation.resume(returning: ready) }
    }

    private func cancel() {
        let waiting = state.withLock { state -> CheckedContinuation<Result<ByteBuffer?, MQTTError>, Never>? in
            guard let waiting = state.waiting else {
                state.isCanceled = true
                return nil
            }
            state.waiting = nil
            return waiting
        }
        waiting?.resume(returning: .failure(Self.canceled))
    }

    private static var canceled: MQTTError { MQTTError(.canceled, .unknown, "reading the payload was canceled") }
}
