/// What an application needs of a client to receive.
///
/// Code that takes `some MQTTSubscriber` in place of ``MQTTClient`` can be tested without a broker: with `ClientStub` and
/// `ClientMock` of the product MQTTTesting.
public protocol MQTTSubscriber: Sendable {
    /// Received messages that no scoped subscription claims.
    var messages: Messages { get }

    /// Subscribes for as long as `body` runs. See ``MQTTClient/subscribe(to:atMost:_:)``.
    func subscribe<Result>(to subscriptions: [Subscription], _ body: (Messages) async throws -> Result) async throws -> Result

    /// Subscribes. See ``MQTTClient/subscribe(to:timeout:)``.
    @discardableResult func subscribe(
        to subscriptions: [Subscription], timeout: Duration?
    ) async throws(MQTTError) -> [SubscriptionGrant]

    /// Unsubscribes. See ``MQTTClient/unsubscribe(from:timeout:)``.
    func unsubscribe(from filters: [String], timeout: Duration?) async throws(MQTTError)
}

extension MQTTSubscriber {
    /// Subscribes for as long as `body` runs. See ``MQTTClient/subscribe(to:atMost:_:)``.
    public func subscribe<Result>(
        to filters: String..., atMost maximumQoS: QoS = .exactlyOnce, _ body: (Messages) async throws -> Result
    ) async throws -> Result {
        try await subscribe(to: filters.map { Subscription($0, atMost: maximumQoS) }, body)
    }

    /// Subscribes, and waits for the broker's answer as long as it takes. See ``MQTTClient/subscribe(to:timeout:)``.
    @discardableResult public func subscribe(to subscriptions: [Subscription]) async throws(MQTTError) -> [SubscriptionGrant] {
        try await subscribe(to: subscriptions, timeout: nil)
    }

    /// Unsubscribes, and waits for the broker's answer as long as it takes. See ``MQTTClient/unsubscribe(from:timeout:)``.
    public func unsubscribe(from filters: [String]) async throws(MQTTError) {
        try await unsubscribe(from: filters, timeout: nil)
    }
}

extension MQTTClient: MQTTSubscriber {}
