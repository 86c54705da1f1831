public import MQTT

/// A call that a ``ClientMock`` expects, and its answer to it.
public struct ExpectedCall: Sendable {
    enum Kind: Sendable {
        case publish(Publication, PublishAnswer)
        case subscribe([Subscription], SubscribeAnswer, [Message])
        case unsubscribe([String], MQTTError?)
    }

    let kind: Kind

    /// A publish by whatever method. Payloads in memory are compared byte by byte, streamed ones by their length alone.
    public static func publish(
        _ payload: Payload, to topic: String, _ qos: QoS = .atMostOnce, retain: Bool = false, answer: PublishAnswer = .completed
    ) -> ExpectedCall {
        ExpectedCall(kind: .publish(Publication(payload, to: topic, qos, retain: retain), answer))
    }

    /// A subscribe, scoped or not. The messages are received once it succeeds.
    public static func subscribe(
        to filters: String..., atMost maximumQoS: QoS = .exactlyOnce, answer: SubscribeAnswer = .granted(), receiving: [Message] = []
    ) -> ExpectedCall {
        subscribe(to: filters.map { Subscription($0, atMost: maximumQoS) }, answer: answer, receiving: receiving)
    }

    /// A subscribe with a QoS for each filter, scoped or not. The messages are received once it succeeds.
    public static func subscribe(
        to subscriptions: [Subscription], answer: SubscribeAnswer = .granted(), receiving: [Message] = []
    ) -> ExpectedCall {
        ExpectedCall(kind: .subscribe(subscriptions, answer, receiving))
    }

    /// An unsubscribe, which throws the error, if there is one. The one that leaving a scope implies is no call.
    public static func unsubscribe(from filters: String..., throwing error: MQTTError? = nil) -> ExpectedCall {
        ExpectedCall(kind: .unsubscribe(filters, error))
    }
}

/// A call that was made.
enum ActualCall {
    case publish(Publication)
    case subscribe([Subscription])
    case unsubscribe([String])
}

extension ExpectedCall {
    func matches(_ call: ActualCall) -> Bool {
        switch (kind, call) {
        case (.publish(let expected, _), .publish(let actual)):
            expected.topic.utf8.elementsEqual(actual.topic.utf8) && expected.qos == actual.qos && expected.retain == actual.retain
                && expected.payload.count == actual.payload.count && expected.payload.agrees(with: actual.payload)
        case (.subscribe(let expected, _, _), .subscribe(let actual)):
            expected.elementsEqual(actual) { $0.maximumQoS == $1.maximumQoS && $0.filter.utf8.elementsEqual($1.filter.utf8) }
        case (.unsubscribe(let expected, _), .unsubscribe(let actual)):
            expected.elementsEqual(actual) { $0.utf8.elementsEqual($1.utf8) }
        case (.publish, _), (.subscribe, _), (.unsubscribe, _): false
        }
    }

    var call: ActualCall {
        switch kind {
        case .publish(let publication, _): .publish(publication)
        case .subscribe(let subscriptions, _, _): .subscribe(subscriptions)
        case .unsubscribe(let filters, _): .unsubscribe(filters)
        }
    }
}

extension Payload {
    fileprivate func agrees(with other: Payload) -> Bool {
        guard let buffer, let others = other.buffer else { return true }
        return buffer == others
    }
}

// For the report of a test, so with topics and payloads.
extension ActualCall: CustomStringConvertible {
    var description: String {
        switch self {
        case .publish(let publication):
            let payload = publication.payload.string.map { "\"\($0)\"" } ?? "\(publication.payload.count) bytes"
            return "publish \(payload) to \"\(publication.topic)\" \(publication.qos)" + (publication.retain ? " retain" : "")
        case .subscribe(let subscriptions):
            return "subscribe to " + subscriptions.map { "\"\($0.filter)\" at most \($0.maximumQoS)" }.joined(separator: ", ")
        case .unsubscribe(let filters):
            return "unsubscribe from " + filters.map { "\"\($0)\"" }.joined(separator: ", ")
        }
    }
}
