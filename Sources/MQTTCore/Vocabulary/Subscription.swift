/// One filter of a SUBSCRIBE packet, with the highest QoS at which messages may come.
public struct Subscription: Sendable, Hashable {
    public var filter: String
    public var maximumQoS: QoS

    /// The filter is checked when the subscription is made, see ``TopicFilter``.
    public init(_ filter: String, atMost maximumQoS: QoS = .exactlyOnce) {
        self.filter = filter
        self.maximumQoS = maximumQoS
    }
}

/// The broker's answer to one filter of a SUBSCRIBE packet.
public struct SubscriptionGrant: Sendable, Hashable {
    public var filter: String
    /// The code from SUBACK: the granted QoS, or a failure.
    public var reasonCode: ReasonCode

    public init(filter: String, reasonCode: ReasonCode) {
        self.filter = filter
        self.reasonCode = reasonCode
    }

    /// The QoS that was granted, which may be lower than the one asked for [MQTT-3.8.4-6]. Nil when the filter was refused.
    public var qos: QoS? { QoS(rawValue: reasonCode.rawValue) }
}
