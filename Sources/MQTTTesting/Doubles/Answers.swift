public import MQTT

/// What a test double answers to a publish.
public enum PublishAnswer: Sendable {
    /// The call throws, as a client with a full queue does, for example.
    case refused(MQTTError)
    /// The publish is accepted, and its delivery has these steps behind it at once: see ``ScriptedDelivery``.
    case accepted([Delivery.Progress])
    /// The publish is accepted, and the test decides how its delivery goes on.
    case scripted(ScriptedDelivery)

    /// The publish is accepted, and the broker has it.
    public static var completed: PublishAnswer { .accepted([.completed(Delivery.Outcome())]) }

    /// The publish is accepted, and its delivery ends with an error.
    public static func failed(_ error: MQTTError) -> PublishAnswer { .accepted([.failed(error)]) }

    func delivery(id: UInt64?) throws(MQTTError) -> Delivery {
        switch self {
        case .refused(let error): throw error
        case .accepted(let steps): ScriptedDelivery(steps).delivery(id: id)
        case .scripted(let script): script.delivery(id: id)
        }
    }
}

/// What a test double answers to a subscribe.
public enum SubscribeAnswer: Sendable {
    /// Each filter is granted the QoS that it asks for, up to `maximumQoS`.
    case granted(atMost: QoS = .exactlyOnce)
    /// The broker refuses these filters and grants the others: ``MQTTError/Code/subscribeFailed``.
    case refused([String])
    /// The call throws, as without a connection, for example.
    case failed(MQTTError)

    func grants(for subscriptions: [Subscription]) throws(MQTTError) -> [SubscriptionGrant] {
        switch self {
        case .granted(let maximum): return subscriptions.map { grant($0, atMost: maximum) }
        case .failed(let error): throw error
        case .refused(let filters):
            let grants = subscriptions.map { subscription in
                filters.contains { $0.utf8.elementsEqual(subscription.filter.utf8) }
                    ? SubscriptionGrant(filter: subscription.filter, reasonCode: .subscriptionFailure)
                    : grant(subscription, atMost: .exactlyOnce)
            }
            let count = grants.count { $0.reasonCode.isFailure }
            guard count > 0 else { return grants }
            throw MQTTError(
                .subscribeFailed, .refusedByBroker, "the broker refused \(count) of \(grants.count) topic filters",
                reasonCode: .subscriptionFailure, citation: "MQTT-3.8.4-5", grants: grants)
        }
    }

    private func grant(_ subscription: Subscription, atMost maximum: QoS) -> SubscriptionGrant {
        let qos = min(subscription.maximumQoS, maximum)
        return SubscriptionGrant(filter: subscription.filter, reasonCode: ReasonCode(rawValue: qos.rawValue))
    }
}
