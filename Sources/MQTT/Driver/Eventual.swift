internal import Synchronization

/// A value that comes once, awaited by any number of tasks.
///
/// Resolving hands back what is to be resumed, so that it can be done after the engine's lock has been given back.
final class Eventual<Value: Sendable>: Sendable {
    private enum State {
        case pending([(id: UInt64, task: Int?, continuation: CheckedContinuation<Result<Value, MQTTError>, Never>)])
        case resolved(Result<Value, MQTTError>)
    }

    private struct Contents {
        var state = State.pending([])
        var nextID: UInt64 = 0
        /// Waits that were canceled before they began.
        var canceled: Set<UInt64> = []
    }

    private let contents = Mutex(Contents())

    init() {}

    init(_ result: Result<Value, MQTTError>) {
        contents.withLock { $0.state = .resolved(result) }
    }

    var result: Result<Value, MQTTError>? {
        contents.withLock { if case .resolved(let result) = $0.state { result } else { nil } }
    }

    /// The first call counts.
    func resolve(_ result: Result<Value, MQTTError>) {
        let waiting = contents.withLock { contents -> [CheckedContinuation<Result<Value, MQTTError>, Never>] in
            guard case .pending(let waiting) = contents.state else { return [] }
            contents.state = .resolved(result)
            return waiting.map(\.continuation)
        }
        for continuation in waiting { continuation.resume(returning: result) }
    }

    /// Waits for the value.
    ///
    /// - Parameters:
    ///   - task: The waiting task, for ``fail(waitsOf:with:)``.
    ///   - onWait: Called when the wait has begun, so that nothing that happens from then on is missed.
    ///   - onCancel: Called when the waiting task is canceled, and expected to resolve this. Without it the wait ends with
    ///     ``MQTTError/Code/canceled``, and what was waited for goes on.
    func value(
        task: Int? = nil, onWait: (() -> Void)? = nil, onCancel: (@Sendable () -> Void)? = nil
    ) async throws(MQTTError) -> Value {
        if let result { return try result.get() }
        let id = contents.withLock { contents in
            contents.nextID += 1
            return contents.nextID
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                wait(id, task, continuation)
                onWait?()
            }
        } onCancel: {
            if let onCancel { onCancel() } else { cancel(id) }
        }
        return try result.get()
    }

    private func wait(_ id: UInt64, _ task: Int?, _ continuation: CheckedContinuation<Result<Value, MQTTError>, Never>) {
        let result = contents.withLock { contents -> Result<Value, MQTTError>? in
            switch contents.state {
            case .resolved(let result): return result
            case .pending(var waiting):
                if contents.canceled.remove(id) != nil { return .failure(Self.canceledWait) }
                contents.state = .pending([])
                waiting.append((id, task, continuation))
                contents.state = .pending(waiting)
                return nil
            }
        }
        if let result { continuation.resume(returning: result) }
    }

    private func cancel(_ id: UInt64) {
        let continuation = contents.withLock { contents -> CheckedContinuation<Result<Value, MQTTError>, Never>? in
            guard case .pending(var waiting) = contents.state else { return nil }
            guard let index = waiting.firstIndex(where: { $0.id == id }) else {
                contents.canceled.insert(id)
                return nil
            }
            let continuation = waiting.remove(at: index).continuation
            contents.state = .pending(waiting)
            return continuation
        }
        continuation?.resume(returning: .failure(Self.canceledWait))
    }

    /// Ends the waits of one task, and leaves what they wait for alone.
    func fail(waitsOf task: Int, with error: MQTTError) {
        let failed = contents.withLock { contents -> [CheckedContinuation<Result<Value, MQTTError>, Never>] in
            guard case .pending(let waiting) = contents.state else { return [] }
            contents.state = .pending(waiting.filter { $0.task != task })
            return waiting.filter { $0.task == task }.map(\.continuation)
        }
        for continuation in failed { continuation.resume(returning: .failure(error)) }
    }

    private static var canceledWait: MQTTError { MQTTError(.canceled, .kept, "the wait was canceled; what was waited for goes on") }
}
