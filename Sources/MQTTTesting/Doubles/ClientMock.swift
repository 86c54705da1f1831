public import MQTT
internal import MQTTCore
internal import Synchronization

/// A client without a broker, for tests that expect certain calls in a certain order.
///
/// Each call has to be the next one that is expected, and gets the answer that was given for it. Another call throws
/// ``MQTTError/Code/invalidArgument``, and is noted. At the end, ``deviations`` tells what was different and what is missing: it
/// works with any test framework.
///
/// ```swift
/// let mock = ClientMock(expecting: [.subscribe(to: "set/#"), .publish("on", to: "state", .atLeastOnce)])
/// try await run(thermostat, with: mock)
/// #expect(mock.deviations.isEmpty)
/// ```
public final class ClientMock: MQTTPublisher, MQTTSubscriber {
    fileprivate struct State {
        var expected: ArraySlice<ExpectedCall>
        var unexpected: [String] = []
        var accepted: UInt64 = 0
    }

    private let state: Mutex<State>

    /// Where the test sends messages, in addition to those that come with an expected subscribe.
    public let source: MessageSource

    public init(expecting calls: [ExpectedCall], source: MessageSource = MessageSource()) {
        state = Mutex(State(expected: calls[...]))
        self.source = source
    }

    /// How the calls so far differ from those expected: the calls that were not, in order, then those that are still missing. It is
    /// meant for people, and has topics and payloads in it.
    public var deviations: [String] {
        state.withLock { state in state.unexpected + state.expected.map { "missing: \($0.call)" } }
    }

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
        let kind = try state.withLock { state throws(MQTTError) in try state.next(.subscribe(subscriptions)) }
        guard case .subscribe(_, let answer, let received) = kind else { return [] }
        let grants = try answer.grants(for: subscriptions)
        for message in received { source.send(message) }
        return grants
    }

    public func subscribe<Result>(
        to subscriptions: [Subscription], _ body: (Messages) async throws -> Result
    ) async throws -> Result {
        try await source.feed.scope(
            subscriptions,
            subscribe: { () throws(MQTTError) in try await subscribe(to: subscriptions, timeout: nil) },
            unsubscribe: { _ in }, body)
    }

    public func unsubscribe(from filters: [String], timeout: Duration? = nil) async throws(MQTTError) {
        try Unsubscribe(filters).check()
        let kind = try state.withLock { state throws(MQTTError) in try state.next(.unsubscribe(filters)) }
        if case .unsubscribe(_, let error?) = kind { throw error }
    }
}

extension ClientMock.State {
    /// What is expected next, when the call is that.
    fileprivate mutating func next(_ call: ActualCall) throws(MQTTError) -> ExpectedCall.Kind {
        if let first = expected.first, first.matches(call) {
            expected.removeFirst()
            return first.kind
        }
        unexpected.append("unexpected: \(call)" + (expected.first.map { "; expected: \($0.call)" } ?? "; nothing more was expected"))
        throw MQTTError(.invalidArgument, .denied, "not the call that the mock expects next: see its deviations")
    }

    fileprivate mutating func publish(_ publication: Publication) throws(MQTTError) -> Delivery {
        guard case .publish(_, let answer) = try next(.publish(publication)) else { throw .denied("a call of another kind") }
        guard publication.qos != .atMostOnce else { return try answer.delivery(id: nil) }
        let delivery = try answer.delivery(id: accepted)
        accepted += 1
        return delivery
    }
}
