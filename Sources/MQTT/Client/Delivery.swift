/// What becomes of one publish.
///
/// It can be kept, awaited from many tasks, or dropped: the delivery goes on in any case.
public struct Delivery: Sendable {
    enum Storage: Sendable {
        /// QoS 0: in the outbound buffer of a connection, up to a position.
        case buffered(EngineCore, Link, position: UInt64)
        /// QoS 1 and 2.
        case accepted(EngineCore, Serial, DeliveryRecord)
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
        /// It ended without that: ``MQTTError/Code/suspended``, ``MQTTError/Code/withdrawn``, ``MQTTError/Code/abandoned``,
        /// ``MQTTError/Code/payloadUnavailable``, ``MQTTError/Code/evicted``, ``MQTTError/Code/expired``,
        /// ``MQTTError/Code/persistence``.
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
    ///   ``MQTTError/Code/withdrawn``, ``MQTTError/Code/abandoned``, ``MQTTError/Code/payloadUnavailable``,
    ///   ``MQTTError/Code/evicted``, ``MQTTError/Code/expired``, ``MQTTError/Code/persistence``: it will not be sent again.
    ///   ``MQTTError/Code/deliveryStalled``: the answer cannot come while this task does not ask for the messages in its own full
    ///   queue; the delivery goes on.
    @inlinable public var completed: Outcome {
        get async throws(MQTTError) {
            // Inlined: most have come to their end when they are asked, and cost no frame of a task then.
            if hasSucceeded { return Outcome() }
            return try await outcome
        }
    }

    /// Whether the broker has it, with success. False at QoS 0, where that is never known.
    @usableFromInline var hasSucceeded: Bool {
        if case .accepted(_, _, let record) = storage { record.hasSucceeded } else { false }
    }

    @usableFromInline var outcome: Outcome {
        get async throws(MQTTError) {
            switch storage {
            case .buffered(let core, let link, let position):
                try await core.written(link, position)
                return Outcome()
            case .accepted(let core, _, let record):
                if let result = record.result { return try result.get() }
                return try await core.answer(record.completion, fate: .kept)
            case .scripted(let script): return try await script.completed
            }
        }
    }

    /// Waits until the message is safe: with a durable session, until it is on disk. At QoS 0 and in a volatile session it is at once.
    ///
    /// Canceling the task ends the wait alone, with ``MQTTError/Code/canceled``.
    ///
    /// - Throws: ``MQTTError/Code/persistence``: it could not be written, and is not sent. Only a crash before the store can be written
    ///   again may bring it back. Or what else ended it before, such as ``MQTTError/Code/withdrawn``.
    public func stored() async throws(MQTTError) {
        guard case .accepted(_, _, let record) = storage, let wait = record.storedWait else { return }
        try await wait.value()
    }

    /// The steps from now on, beginning with the one it is at. It ends after ``Progress/completed(_:)`` or ``Progress/failed(_:)``.
    public var progress: AsyncStream<Progress> {
        switch storage {
        case .buffered(let core, let link, let position): Delivery.progress(of: core, link, position)
        case .accepted(_, _, let record): record.observe()
        case .scripted(let script): script.progress
        }
    }

    /// Takes the publish back, if it was never sent: then it has no effect, now or later. Returns whether that succeeded.
    ///
    /// What an earlier run of a durable session accepted may have been sent, and stays. The removal from the store is written with the
    /// next commit: a crash before that may bring the message back.
    @discardableResult public func withdraw() -> Bool {
        switch storage {
        case .buffered: false
        case .accepted(let core, let serial, let record): core.engine?.withdraw(serial, record) ?? record.hasEnded(with: .withdrawn)
        case .scripted(let script): script.withdraw()
        }
    }

    /// Gives the publish up, whether it was sent or not: for a message that the broker ends each connection for, which would be sent
    /// again for ever, ahead of all others. Returns whether that ended it.
    ///
    /// What was never sent is taken back, as by ``withdraw()``. What may have been sent ends with ``MQTTError/Code/abandoned``: whether
    /// the broker has it is unknown, and it is not sent again. A connection that it was sent on is closed, and the client connects
    /// again. At QoS 2 it returns false once the broker has confirmed the message with PUBREC: that delivery goes on to its end.
    @discardableResult public func abandon() -> Bool {
        switch storage {
        case .buffered: false
        case .accepted(let core, let serial, let record): core.engine?.abandon(serial, record) ?? record.hasEnded(with: .abandoned)
        case .scripted(let script): script.abandon()
        }
    }

    private static func progress(of core: EngineCore, _ link: Link, _ position: UInt64) -> AsyncStream<Progress> {
        let (stream, continuation) = AsyncStream.makeStream(of: Progress.self)
        continuation.yield(.stored)
        let task = Task {
            do throws(MQTTError) {
                try await core.written(link, position)
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
