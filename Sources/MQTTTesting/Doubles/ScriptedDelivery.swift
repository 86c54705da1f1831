public import MQTT
internal import Synchronization

/// A delivery whose steps a test decides: in advance, or one by one.
///
/// ```swift
/// let script = ScriptedDelivery()
/// let stub = ClientStub(publishing: .scripted(script))
/// // ... the application publishes, and awaits the delivery ...
/// script.interrupt(MQTTError(.connectionLost, .kept, "cut"))
/// script.complete()
/// ```
public final class ScriptedDelivery: Sendable {
    fileprivate struct State {
        var steps: [Delivery.Progress] = [.stored]
        var observers: [AsyncStream<Delivery.Progress>.Continuation] = []
        var hasEnded = false
    }

    private let state = Mutex(State())

    /// - Parameter steps: Those that follow ``Delivery/Progress/stored`` at once. Without a last one that ends it, the delivery goes
    ///   on until ``complete(reasonCode:)`` or ``fail(_:)``.
    public init(_ steps: [Delivery.Progress] = []) {
        for step in steps where step != .stored { take(step) }
    }

    /// The connection was lost, or the broker lost the session.
    public func interrupt(_ error: MQTTError) { take(.interrupted(error)) }

    /// The broker has the message.
    public func complete(reasonCode: ReasonCode = .success) { take(.completed(Delivery.Outcome(reasonCode: reasonCode))) }

    /// The delivery ends without that, as with ``MQTTError/Code/suspended``.
    public func fail(_ error: MQTTError) { take(.failed(error)) }

    /// What an application gets from a publish. A ``ClientStub`` or ``ClientMock`` makes it by itself.
    ///
    /// Whoever asks for its progress gets all steps from the first. It can be taken back while there is none but `stored`.
    ///
    /// - Parameter id: As ``Delivery/id``: nil for a publish of QoS 0.
    public func delivery(id: UInt64?) -> Delivery { Delivery(script: Handle(id: id, script: self)) }

    /// The first step that ends it counts; those after it are ignored.
    private func take(_ step: Delivery.Progress) {
        state.withLock { state in
            guard !state.hasEnded else { return }
            state.steps.append(step)
            for observer in state.observers { observer.yield(step) }
            switch step {
            case .stored, .interrupted: break
            case .completed, .failed: state.end()
            }
        }
    }

    fileprivate var progress: AsyncStream<Delivery.Progress> {
        let (stream, continuation) = AsyncStream.makeStream(of: Delivery.Progress.self)
        state.withLock { state in
            for step in state.steps { continuation.yield(step) }
            if state.hasEnded { continuation.finish() } else { state.observers.append(continuation) }
        }
        return stream
    }

    fileprivate func withdraw() -> Bool {
        state.withLock { state in
            guard state.steps == [.stored] else { return false }
            state.fail(MQTTError(.withdrawn, .notSent, "the publish was taken back before it was sent"))
            return true
        }
    }

    fileprivate func abandon() -> Bool {
        state.withLock { state in
            if state.hasEnded { return false }
            state.fail(MQTTError(.abandoned, .unknown, "the publish was given up"))
            return true
        }
    }
}

extension ScriptedDelivery.State {
    fileprivate mutating func fail(_ error: MQTTError) {
        let step = Delivery.Progress.failed(error)
        steps.append(step)
        for observer in observers { observer.yield(step) }
        end()
    }

    fileprivate mutating func end() {
        hasEnded = true
        for observer in observers { observer.finish() }
        observers = []
    }
}

/// One publish that follows a script.
private final class Handle: DeliveryScript {
    let id: UInt64?
    private let script: ScriptedDelivery

    init(id: UInt64?, script: ScriptedDelivery) {
        self.id = id
        self.script = script
    }

    var progress: AsyncStream<Delivery.Progress> { script.progress }

    var completed: Delivery.Outcome {
        get async throws(MQTTError) {
            for await step in script.progress {
                switch step {
                case .stored, .interrupted: break
                case .completed(let outcome): return outcome
                case .failed(let error): throw error
                }
            }
            throw MQTTError(.canceled, .kept, "the wait was canceled; what was waited for goes on")
        }
    }

    func withdraw() -> Bool { script.withdraw() }
    func abandon() -> Bool { script.withdraw() || script.abandon() }
}
