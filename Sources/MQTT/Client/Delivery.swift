internal import Synchronization

/// What becomes of one publish.
///
/// It can be kept, awaited from many tasks, or dropped: the delivery goes on in any case.
public struct Delivery: Sendable {
    enum Storage: Sendable {
        /// QoS 0: in the outbound buffer of a connection, up to a position.
        case buffered(Engine, Link, position: UInt64)
        /// QoS 1 and 2.
        case accepted(Engine, Serial, DeliveryRecord)
        /// Of a test double.
        case scripted(any DeliveryScript)
    }

    let storage: Storage

    /// How a publish ended well.
    public struct Outcome: Sendable, Hashable {
        /// The code of the broker's acknowledgement. 3.1.1 has none: it is ``ReasonCode/success``, also when the broker drops the
        /// message because the client may not publish to its topic [MQTT-3.3.5-2].
        public let reasonCode: ReasonCode

        public init(reasonCode: ReasonCode = .success) { self.reasonCode = reasonCode }
    }

    /// A step of a delivery.
    public enum Progress: Sendable, Hashable {
        /// Safe: it will reach the broker, whatever happens to the connection. At QoS 0: in the outbound buffer.
        case stored
        /// The connection was lost while it was under way, or the broker lost the session. It goes out again.
        case interrupted(MQTTError)
        /// The broker has it. At QoS 0: the operating system has it.
        case completed(Outcome)
        /// It ended without that: ``MQTTError/Code/suspended``, ``MQTTError/Code/withdrawn``, ``MQTTError/Code/payloadUnavailable``.
        case failed(MQTTError)
    }

    /// The place in the order of all accepted publishes of this session. Nil at QoS 0.
    public var id: UInt64? {
        switch storage {
        case .buffered: nil
        case .accepted(_, let serial, _): serial
        case .scripted(let script): script.id
        }
    }

    /// Waits for the end. QoS 0: the operating system has all bytes. QoS 1: PUBACK came. QoS 2: PUBCOMP came.
    ///
    /// Canceling the task ends the wait alone, with ``MQTTError/Code/canceled``.
    ///
    /// - Throws: ``MQTTError/Code/submissionInterrupted`` (QoS 0): the connection was lost before all bytes were taken; part of
    ///   them may have gone out. ``MQTTError/Code/suspended``: the client ended before the broker had it.
    ///   ``MQTTError/Code/withdrawn``, ``MQTTError/Code/payloadUnavailable``: it will not be sent.
    ///   ``MQTTError/Code/deliveryStalled``: the answer cannot come while this task does not ask for the messages in its own full
    ///   queue; the delivery goes on.
    public var completed: Outcome {
        get async throws(MQTTError) {
            switch storage {
            case .buffered(let engine, let link, let position):
                try await engine.written(link, position)
                return Outcome(reasonCode: .success)
            case .accepted(let engine, _, let record):
                return try await engine.answer(record.completion, fate: .kept)
            case .scripted(let script): return try await script.completed
            }
        }
    }

    /// The steps from now on, beginning with the one it is at. It ends after ``Progress/completed(_:)`` or ``Progress/failed(_:)``.
    public var progress: AsyncStream<Progress> {
        switch storage {
        case .buffered(let engine, let link, let position): Delivery.progress(of: engine, link, position)
        case .accepted(_, _, let record): record.observe()
        case .scripted(let script): script.progress
        }
    }

    /// Takes the publish back, if it was never sent: then it has no effect, now or later. Returns whether that succeeded.
    @discardableResult public func withdraw() -> Bool {
        switch storage {
        case .buffered: false
        case .accepted(let engine, let serial, let record): engine.withdraw(serial, record)
        case .scripted(let script): script.withdraw()
        }
    }

    private static func progress(of engine: Engine, _ link: Link, _ position: UInt64) -> AsyncStream<Progress> {
        let (stream, continuation) = AsyncStream.makeStream(of: Progress.self)
        continuation.yield(.stored)
        let task = Task {
            do throws(MQTTError) {
                try await engine.written(link, position)
                continuation.yield(.completed(Outcome(reasonCode: .success)))
            } catch {
                continuation.yield(.failed(error))
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }
}

/// The state of an accepted publish that its handles share.
final class DeliveryRecord: Sendable {
    private struct State {
        var result: Result<Delivery.Outcome, MQTTError>?
        /// Made when somebody waits.
        var completion: Eventual<Delivery.Outcome>?
        var observers: [UInt64: AsyncStream<Delivery.Progress>.Continuation] = [:]
        var nextObserver: UInt64 = 0
    }

    private let state = Mutex(State())

    var completion: Eventual<Delivery.Outcome> {
        state.withLock { state in
            if let completion = state.completion { return completion }
            let completion = state.result.map { Eventual($0) } ?? Eventual()
            state.completion = completion
            return completion
        }
    }

    var isWithdrawn: Bool {
        state.withLock { if case .failure(let error) = $0.result { error.code == .withdrawn } else { false } }
    }

    func observe() -> AsyncStream<Delivery.Progress> {
        // A step is small, and there is one for each loss of the connection: the newest matter.
        let (stream, continuation) = AsyncStream.makeStream(of: Delivery.Progress.self, bufferingPolicy: .bufferingNewest(1_000))
        continuation.yield(.stored)
        let (result, id) = state.withLock { state in
            state.nextObserver += 1
            if state.result == nil { state.observers[state.nextObserver] = continuation }
            return (state.result, state.nextObserver)
        }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { _ = $0.observers.removeValue(forKey: id) } }
        if let result { Self.end(continuation, result) }
        return stream
    }

    func interrupted(_ error: MQTTError) {
        for observer in state.withLock({ Array($0.observers.values) }) { observer.yield(.interrupted(error)) }
    }

    func resolve(_ result: Result<Delivery.Outcome, MQTTError>) {
        let (completion, observers) = state.withLock { state in
            let known = (state.completion, state.observers)
            if state.result == nil { state.result = result }
            state.observers = [:]
            return known
        }
        completion?.resolve(result)
        for observer in observers.values { Self.end(observer, result) }
    }

    private static func end(_ observer: AsyncStream<Delivery.Progress>.Continuation, _ result: Result<Delivery.Outcome, MQTTError>) {
        switch result {
        case .success(let outcome): observer.yield(.completed(outcome))
        case .failure(let error): observer.yield(.failed(error))
        }
        observer.finish()
    }
}
