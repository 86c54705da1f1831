public import Logging
public import NIOCore
public import NIOPosix

/// An MQTT client: one session with one broker, over any number of connections.
///
/// Make it, then `run` it. While it runs it connects, and reconnects for ever; publishes that were accepted go out in order
/// across all of that, and every call tells by its ``MQTTError/fate-swift.property`` what became of it.
///
/// All methods can be called from any task. What they accept is in call order.
public final class MQTTClient: Sendable {
    let engine: Engine

    /// - Throws: ``MQTTError/Code/invalidArgument`` or ``MQTTError/Code/unsupported`` for anything in the configuration that cannot
    ///   be honoured; ``MQTTError/Code/persistence`` when the store of a durable session cannot be had. No connection is made.
    public init(
        _ configuration: Configuration, eventLoopGroup: any EventLoopGroup = .singletonMultiThreadedEventLoopGroup, logger: Logger? = nil
    ) throws(MQTTError) {
        engine = try Engine(configuration, eventLoop: eventLoopGroup.next(), logger: logger)
        taskExecutor = EventLoopExecutor(engine.eventLoop)
    }

    /// With a broker's URL, such as `mqtt://broker.example.com`.
    public convenience init(broker: String, session: SessionOptions, logger: Logger? = nil) throws(MQTTError) {
        try self.init(Configuration(broker: try Broker(broker), session: session), logger: logger)
    }

    /// The event loop of its connections.
    package var eventLoop: any EventLoop { engine.eventLoop }

    /// Runs tasks on the thread of the client's connection. What waits for the broker goes on there without a change of threads, which is
    /// most of what a round trip costs:
    ///
    /// ```swift
    /// await withTaskExecutorPreference(client.taskExecutor) {
    ///     // Ask, wait for the answer, ask again.
    /// }
    /// ```
    ///
    /// The thread does nothing else meanwhile, and other clients may share it. So nothing that computes for long belongs there, and
    /// nothing that blocks. It is a choice, never the default.
    public let taskExecutor: any TaskExecutor

    // MARK: Running

    /// Connects, and reconnects for ever. Returns after ``disconnect()`` or ``close()``.
    ///
    /// Canceling the task says DISCONNECT, without waiting for what was accepted.
    ///
    /// - Throws: What ended it: with ``Configuration/retriesFirstConnect`` off, the failure of the first attempt (with several brokers,
    ///   of the last one that was asked); a refusal whose reaction is ``ReconnectPolicy/Reaction/end``.
    ///   ``MQTTError/Code/closed`` when it had ended before, ``MQTTError/Code/invalidArgument`` when it runs already.
    public func run() async throws(MQTTError) {
        try engine.start()
        try await untilEnded()
    }

    /// Connects, runs `body`, waits up to ``Configuration/drainTimeout`` for what was accepted to be delivered, and says DISCONNECT.
    ///
    /// When `body` throws or the task is canceled, DISCONNECT is said without waiting.
    public func run<Result>(_ body: (MQTTClient) async throws -> Result) async throws -> Result {
        try engine.start()
        do {
            let result = try await body(self)
            await engine.drain()
            try? await engine.disconnect()
            try await untilEnded()
            return result
        } catch {
            try? await engine.disconnect()
            throw error
        }
    }

    private func untilEnded() async throws(MQTTError) {
        let error = try await engine.ended.value(onCancel: { [engine] in Task { try? await engine.disconnect() } })
        if let error { throw error }
    }

    /// Returns when there is a connection that the broker accepted.
    ///
    /// - Throws: What ended the client; ``MQTTError/Code/canceled``.
    @discardableResult public func waitUntilOnline() async throws(MQTTError) -> Online { try await engine.waitUntilOnline() }

    /// The states of the connection from now on. Each call gives a sequence of its own.
    public var connectionStates: ConnectionStates { engine.states.observe() }

    /// Connects at once where a pause would be waited out, or where attempts are paused: for applications that know that the network is
    /// back. What was learned of failing brokers is forgotten, and pauses begin with the least one again.
    ///
    /// A connection, or an attempt that is under way, stays as it is.
    public func connectNow() { engine.connectNow() }

    /// Makes no further attempts to connect until ``connectNow()``. A connection, or an attempt that is under way, stays as it is; what
    /// is published meanwhile is accepted as at any time, and requests fail with ``MQTTError/Code/down`` while there is no connection.
    public func pauseConnecting() { engine.pauseConnecting() }

    /// Says DISCONNECT behind everything that was submitted, closes the connection, and ends the client. The broker drops the will
    /// [MQTT-3.14.4-3].
    ///
    /// It does not wait for acknowledgements: deliveries that are not complete report ``MQTTError/Code/suspended``.
    ///
    /// - Throws: ``MQTTError/Code/down`` when there was no connection, ``MQTTError/Code/closed`` when the client had ended. It has
    ///   ended in any case.
    public func disconnect() async throws(MQTTError) { try await engine.disconnect() }

    /// Closes the connection without a word, and ends the client: the broker publishes the will. It can be called again.
    public func close() async {
        engine.close()
        _ = try? await engine.ended.value(onCancel: {})
    }

    // MARK: Publishing

    /// Publishes a message.
    ///
    /// At QoS 0 it returns when the packet is in the outbound buffer, and waits while that is full. At QoS 1 and 2 it returns when
    /// the message is stored: from then on it will reach the broker, over any number of connections.
    ///
    /// Not waited for: the broker. See ``Delivery/completed``. With ``QueueFullAction/wait`` a full queue is waited for.
    ///
    /// - Parameters:
    ///   - payload: The content, of up to 256 MiB.
    ///   - topic: The topic, without wildcards [MQTT-3.3.2-2].
    ///   - qos: The guarantee.
    ///   - retain: The broker keeps it for those who subscribe later, in place of the one before [MQTT-3.3.1-10].
    ///   - until: At QoS 0, whether to wait for the operating system to take all bytes.
    /// - Throws: ``MQTTError/Code/invalidArgument``: nothing happened. ``MQTTError/Code/closed``: the client has ended, nothing was
    ///   sent or stored. ``MQTTError/Code/canceled``: canceled while it waited for a connection or for room, nothing was sent or stored.
    ///
    ///   At QoS 0: ``MQTTError/Code/down``: there is no connection, nothing was sent. With `until: .written`
    ///   ``MQTTError/Code/submissionInterrupted``: part of it may have gone out; ``MQTTError/Code/abandoned``: canceled after it was
    ///   buffered.
    ///
    ///   At QoS 1 and 2: ``MQTTError/Code/tooManyRequests``: the queue is full, nothing was stored.
    ///   ``MQTTError/Code/deliveryStalled`` (``QueueFullAction/wait``): there can be no room while this task leaves its own full queue
    ///   of messages alone, nothing was stored. In a durable session ``MQTTError/Code/persistence``: the store cannot be written, with
    ///   the fate `notSent` when that was known before, `unknown` when it failed with this message, which may come back with a crash;
    ///   ``MQTTError/Code/abandoned``: canceled while it was being stored, its delivery may go on;
    ///   ``MQTTError/Code/payloadUnavailable``: its source could not be read, nothing was stored; and what ended the delivery before it
    ///   was stored, such as ``MQTTError/Code/evicted``.
    @inlinable @discardableResult public func publish(
        _ payload: Payload, to topic: String, _ qos: QoS = .atMostOnce, retain: Bool = false, until: Written = .buffered
    ) async throws(MQTTError) -> Delivery {
        // Inlined, so that a publish that does not wait costs no frame of a task and no look at its executor.
        if let delivery = try publishAtOnce(payload, to: topic, qos, retain: retain, until: until) { return delivery }
        return try await publish(Publication(payload, to: topic, qos, retain: retain), until: until)
    }

    /// Nil: it has to wait, or something about it has to be looked at.
    @usableFromInline func publishAtOnce(
        _ payload: Payload, to topic: String, _ qos: QoS, retain: Bool, until: Written
    ) throws(MQTTError) -> Delivery? {
        if qos == .atMostOnce { return until == .buffered ? try engine.submitAtOnce(payload, to: topic, retain: retain) : nil }
        return engine.isDurable ? nil : try engine.submitAtOnce(payload, to: topic, qos, retain: retain)
    }

    /// How far a QoS 0 publish has got when the call returns.
    public enum Written: Sendable {
        /// It is in the outbound buffer, and will be written unless the connection is lost first.
        case buffered
        /// The operating system has it.
        case written
    }

    /// Accepts a publish, or refuses it, at once and in call order.
    ///
    /// In a durable session it does not wait for the disk, see ``Delivery/stored()``; a payload from a ``PayloadSource`` is refused there
    /// with ``MQTTError/Code/invalidArgument``, because it would have to be read first.
    ///
    /// - Throws: As ``publish(_:to:_:retain:until:)``, but for what comes of waiting. In place of waiting for room in the outbound buffer
    ///   or in the queue, ``MQTTError/Code/tooManyRequests``; in place of waiting for a connection, ``MQTTError/Code/down`` (QoS 0).
    public func submit(_ payload: Payload, to topic: String, _ qos: QoS = .atMostOnce, retain: Bool = false) throws(MQTTError) -> Delivery {
        if qos != .atMostOnce, let delivery = try engine.submitAtOnce(payload, to: topic, qos, retain: retain) { return delivery }
        return try engine.submit(Publication(payload, to: topic, qos, retain: retain))
    }

    /// Accepts many publishes in one go. Each is checked before the first is accepted.
    ///
    /// - Throws: As ``submit(_:to:_:retain:)``, for the first that is refused. Those before it were accepted, and go on.
    public func submit(contentsOf batch: some Collection<Publication>) throws(MQTTError) -> [Delivery] {
        try engine.submit(contentsOf: batch)
    }

    /// Clears the retained message of a topic, by an empty one with retain [MQTT-3.3.1-10].
    @discardableResult public func clearRetained(_ topic: String, _ qos: QoS = .atLeastOnce) async throws(MQTTError) -> Delivery {
        try await publish(.empty, to: topic, qos, retain: true)
    }
}
