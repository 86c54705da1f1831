/// Requests that the broker answers: they do not outlive a connection.
///
/// All of them throw ``MQTTError/Code/down`` (no connection, nothing was sent), ``MQTTError/Code/connectionLost`` (the outcome is
/// unknown), ``MQTTError/Code/closed``, ``MQTTError/Code/tooManyRequests``, and for a canceled task or a passed time-out
/// ``MQTTError/Code/canceled`` (never sent) or ``MQTTError/Code/abandoned`` (sent, the outcome is unknown). Those with filters throw
/// ``MQTTError/Code/invalidArgument`` for filters that cannot be. In a loop over messages whose own queue is full, a wait for the answer
/// ends with ``MQTTError/Code/deliveryStalled``: the answer could not be read, and the outcome is unknown.
extension MQTTClient {
    /// Received messages that no scoped subscription claims.
    public var messages: Messages { Messages(queue: engine.router.unclaimed) }

    /// Subscribes, in one packet, and waits for the broker's answer. Messages come in ``messages``.
    ///
    /// - Returns: The grants, in the order of the filters. A granted QoS may be lower than the one asked for.
    /// - Throws: ``MQTTError/Code/subscribeFailed`` when the broker refused a filter or more, with all
    ///   ``MQTTError/grants``: the others are subscribed nevertheless.
    @discardableResult public func subscribe(
        to subscriptions: [Subscription], timeout: Duration? = nil
    ) async throws(MQTTError) -> [SubscriptionGrant] {
        try checkTimeout(timeout)
        return try await submitSubscribe(to: subscriptions).response(within: timeout)
    }

    /// Subscribes in call order with everything else that is submitted.
    public func submitSubscribe(to subscriptions: [Subscription]) throws(MQTTError) -> Request<[SubscriptionGrant]> {
        try engine.submitSubscribe(subscriptions, .application)
    }

    /// Subscribes for as long as `body` runs, and gives it the messages of these filters.
    ///
    /// Leaving normally acknowledges the last message and unsubscribes. Leaving by an error, by cancellation or by the client's end
    /// does neither: a session that goes on at the broker keeps receiving, and what was not acknowledged is there for the next one.
    ///
    /// `body` runs when the broker has granted the filters. When messages that the broker had kept fill the queue before its answer can be
    /// read, it runs ahead of the answer, and the messages end with the error that the answer brings.
    public func subscribe<Result>(
        to filters: String..., atMost maximumQoS: QoS = .exactlyOnce, _ body: (Messages) async throws -> Result
    ) async throws -> Result {
        try await subscribe(to: filters.map { Subscription($0, atMost: maximumQoS) }, body)
    }

    /// Subscribes for as long as `body` runs, as ``subscribe(to:atMost:_:)`` does, with a QoS for each filter.
    public func subscribe<Result>(
        to subscriptions: [Subscription], _ body: (Messages) async throws -> Result
    ) async throws -> Result {
        try await engine.router.scope(
            subscriptions,
            subscribe: { id, queue throws(MQTTError) in try await engine.subscribe(subscriptions, scope: id, queue) },
            unsubscribe: { filters in filters.isEmpty ? nil : try? engine.submitUnsubscribe(filters) },
            answer: { request in _ = try? await request?.response }, body)
    }

    /// Unsubscribes, in one packet, and waits for the broker's answer. The filters must be those of the subscription to the
    /// character [MQTT-3.10.4-1].
    public func unsubscribe(from filters: [String], timeout: Duration? = nil) async throws(MQTTError) {
        try checkTimeout(timeout)
        try await submitUnsubscribe(from: filters).response(within: timeout)
    }

    /// Unsubscribes in call order with everything else that is submitted.
    public func submitUnsubscribe(from filters: [String]) throws(MQTTError) -> Request<Void> { try engine.submitUnsubscribe(filters) }

    /// Sends PINGREQ and waits for PINGRESP. Keep-alive needs no call of this.
    ///
    /// - Returns: The round trip time, waiting for other packets on the way included.
    @discardableResult public func ping(timeout: Duration? = nil) async throws(MQTTError) -> Duration {
        try checkTimeout(timeout)
        let start = engine.now
        try await engine.submitPing().response(within: timeout)
        return .nanoseconds(engine.now - start)
    }

    /// Pings in call order with everything else that is submitted.
    public func submitPing() -> Request<Void> { engine.submitPing() }

    private func checkTimeout(_ timeout: Duration?) throws(MQTTError) {
        if let timeout, timeout <= .zero { throw MQTTError(.canceled, .notSent, "the time-out had passed before anything was sent") }
    }
}
