public import MQTT
internal import MQTTCore
internal import Synchronization

/// A client without a broker, for tests: it gives the same answer to every publish and subscribe, and remembers them.
///
/// Like the client, it refuses invalid topics, filters and payloads with ``MQTTError/Code/invalidArgument``, whatever the answer
/// is; it does not remember those. It does not check that what is published fits a queue, and does not deliver what is published.
public final class ClientStub: MQTTPublisher, MQTTSubscriber {
    fileprivate struct State {
        var publishing: PublishAnswer
        var subscribing: SubscribeAnswer
        var unsubscribing: MQTTError?
        var published: [Publication] = []
        var subscribed: [[Subscription]] = []
        var unsubscribed: [[String]] = []
        var accepted: UInt64 = 0
    }

    private let state: Mutex<State>

    /// Where the test sends the messages that the application receives.
    public let source: MessageSource

    /// - Parameters:
    ///   - publishing: The answer to every publish.
    ///   - subscribing: The answer to every subscribe.
    ///   - unsubscribing: What every unsubscribe throws, if it does.
    ///   - source: The messages to receive.
    public init(
        publishing: PublishAnswer = .completed, subscribing: SubscribeAnswer = .granted(), unsubscribing: MQTTError? = nil,
        source: MessageSource = MessageSource()
    ) {
        state = Mutex(State(publishing: publishing, subscribing: subscribing, unsubscribing: unsubscribing))
        self.source = source
    }

    // MARK: What the test sees and says

    /// The answer to every publish from now on.
    public var publishing: PublishAnswer {
        get { state.withLock { $0.publishing } }
        set { state.withLock { $0.publishing = newValue } }
    }

    /// The answer to every subscribe from now on.
    public var subscribing: SubscribeAnswer {
        get { state.withLock { $0.subscribing } }
        set { state.withLock { $0.subscribing = newValue } }
    }

    /// What every unsubscribe throws from now on, if it does.
    public var unsubscribing: MQTTError? {
        get { state.withLock { $0.unsubscribing } }
        set { state.withLock { $0.unsubscribing = newValue } }
    }

    /// What was published, in order, refused ones included.
    public var published: [Publication] { state.withLock { $0.published } }

    /// The subscribe requests, in order, those of scopes and refused ones included.
    public var subscribed: [[Subscription]] { state.withLock { $0.subscribed } }

    /// The unsubscribe requests, in order. Those that leaving a scope implies are included.
    public var unsubscribed: [[String]] { state.withLock { $0.unsubscribed } }

    // MARK: What the application calls

    public func submit(_ publication: Publication) throws(MQTTError) -> Delivery {
        try publication.check()
        return try state.withLock { state throws(MQTTError) in try state.publish(publication) }
    }

    public func submit(contentsOf batch: some Collection<Publication>) throws(MQTTError) -> [Delivery] {
        for publication in batch { try publication.check() }
        return try state.withLock { state throws(MQTTError) in
            var deliveries: [Delivery] = []
            for publication in batch { deliveries.append(try state.publish(publication)) }
            return deliveries
        }
    }

    @discardableResult public func publish(
        _ publication: Publication, until: MQTTClient.Written = .buffered
    ) async throws(MQTTError) -> Delivery {
        let delivery = try submit(publication)
        if publication.qos == .atMostOnce, until == .written { _ = try await delivery.completed }
        return delivery
    }

    public var messages: Messages { source.messages }

    @discardableResult public func subscribe(
        to subscriptions: [Subscription], timeout: Duration? = nil
    ) async throws(MQTTError) -> [SubscriptionGrant] {
        try Subscribe(subscriptions).check()
        return try state.withLock { state throws(MQTTError) in
            state.subscribed.append(subscriptions)
            return try state.subscribing.grants(for: subscriptions)
        }
    }

    public func subscribe<Result>(
        to subscriptions: [Subscription], _ body: (Messages) async throws -> Result
    ) async throws -> Result {
        try await source.feed.scope(
            subscriptions,
            subscribe: { () throws(MQTTError) in try await subscribe(to: subscriptions, timeout: nil) },
            unsubscribe: { orphans in try? await unsubscribe(from: orphans, timeout: nil) }, body)
    }

    public func unsubscribe(from filters: [String], timeout: Duration? = nil) async throws(MQTTError) {
        try Unsubscribe(filters).check()
        try state.withLock { state throws(MQTTError) in
            state.unsubscribed.append(filters)
            if let error = state.unsubscribing { throw error }
        }
    }
}

extension ClientStub.State {
    fileprivate mutating func publish(_ publication: Publication) throws(MQTTError) -> Delivery {
        published.append(publication)
        guard publication.qos != .atMostOnce else { return try publishing.delivery(id: nil) }
        let delivery = try publishing.delivery(id: accepted)
        accepted += 1
        return delivery
    }
}
