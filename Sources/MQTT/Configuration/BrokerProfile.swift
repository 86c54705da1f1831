internal import MQTTCore

/// What a broker does not do although the standard asks for it, so that the client refuses in words what the broker would answer by
/// closing the connection, or by silence.
public struct BrokerProfile: Sendable, Hashable {
    /// Nil where the standard's own bound holds.
    struct Bounds: Sendable, Hashable {
        var highestQoS = QoS.exactlyOnce
        var inFlight: Int?
        var filtersPerRequest: Int?
        var topicBytes: Int?
        var topicSlashes: Int?
        /// Topics that begin so have a name and a slash more ahead of what the bounds are for.
        var basicIngestPrefix: String?
        var payloadBytes: Int?
        var clientIDBytes: Int?
        var keepAliveSeconds: ClosedRange<Int64>?
        /// Offered on port 443 when the options of TLS offer nothing.
        var applicationProtocolOn443: String?
    }

    let name: String
    let bounds: Bounds

    /// The standard, and nothing but. The default.
    public static let strict = BrokerProfile(name: "strict", bounds: Bounds())

    /// AWS IoT Core, by its documentation of quotas and of MQTT (not tested against the service itself).
    ///
    /// - QoS 2 is refused, and subscriptions ask for QoS 1 at most: the service has no QoS 2.
    /// - At most 100 publishes are in flight; acknowledgements may come in any order, which the client takes from every broker.
    /// - At most 8 filters in a request, topics of 256 bytes with 7 slashes (not counting the `$aws/rules/name/` of Basic Ingest), payloads
    ///   of 128 KiB, client identifiers of 128 bytes, keep-alive of 30 to 1,200 seconds.
    /// - TLS is a must. On port 443 without WebSocket the application protocol `x-amzn-mqtt-ca` is offered unless others are given.
    public static let awsIoTCore = BrokerProfile(
        name: "AWS IoT Core",
        bounds: Bounds(
            highestQoS: .atLeastOnce, inFlight: 100, filtersPerRequest: 8, topicBytes: 256, topicSlashes: 7,
            basicIngestPrefix: "$aws/rules/", payloadBytes: 128 << 10, clientIDBytes: 128,
            keepAliveSeconds: 30...1_200, applicationProtocolOn443: "x-amzn-mqtt-ca"))

    private func beyond(_ what: String) -> MQTTError { .denied("\(name) \(what)") }

    // MARK: What an application asks for

    func check(_ publication: Publication) throws(MQTTError) {
        guard publication.qos <= bounds.highestQoS else { throw beyond("has no QoS 2") }
        if let most = bounds.payloadBytes, publication.payload.count > most { throw beyond("takes payloads of at most \(most) bytes") }
        try checkTopic(publication.topic)
    }

    func check(filters: [String]) throws(MQTTError) {
        if let most = bounds.filtersPerRequest, filters.count > most { throw beyond("takes at most \(most) filters in a request") }
        for filter in filters { try checkTopic(filter) }
    }

    private func checkTopic(_ topic: String) throws(MQTTError) {
        let topic = withoutBasicIngest(topic)
        if let most = bounds.topicBytes, topic.utf8.count > most { throw beyond("takes topics of at most \(most) bytes") }
        guard let slashes = bounds.topicSlashes else { return }
        let count = topic.utf8.count { $0 == UInt8(ascii: "/") }
        if count > slashes { throw beyond("takes topics with at most \(slashes) slashes") }
    }

    /// What the bounds are for: without the mandatory `$aws/rules/name/`.
    private func withoutBasicIngest(_ topic: String) -> Substring {
        guard bounds.basicIngestPrefix.map({ topic.hasPrefix($0) }) == true else { return topic[...] }
        let segments = topic.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        return segments.count == 4 ? segments[3] : topic[...]
    }

    /// The same subscriptions, at a QoS that the broker has.
    func lowered(_ subscriptions: [Subscription]) -> [Subscription] {
        guard bounds.highestQoS < .exactlyOnce else { return subscriptions }
        return subscriptions.map { Subscription($0.filter, atMost: min($0.maximumQoS, bounds.highestQoS)) }
    }

    // MARK: What is configured

    func check(_ configuration: Configuration) throws(MQTTError) {
        if let most = bounds.clientIDBytes, configuration.session.clientID.utf8.count > most {
            throw beyond("takes client identifiers of at most \(most) bytes")
        }
        let seconds = configuration.keepAlive.components.seconds
        if let range = bounds.keepAliveSeconds, !range.contains(seconds) {
            throw beyond("takes a keep-alive of \(range.lowerBound) to \(range.upperBound) seconds")
        }
        if let will = configuration.will {
            try check(Publication(Payload(bytes: will.payload), to: will.topic, will.qos, retain: will.retain))
        }
        guard bounds.applicationProtocolOn443 != nil, configuration.dialer == nil else { return }
        for broker in [configuration.broker] + configuration.fallbacks where broker.tls == nil {
            throw beyond("needs TLS")
        }
    }

    func lowered(_ limits: Limits) -> Limits {
        var limits = limits
        if let inFlight = bounds.inFlight { limits.inFlight = min(limits.inFlight, inFlight) }
        return limits
    }

    func completed(_ broker: Broker) -> Broker {
        guard let name = bounds.applicationProtocolOn443, broker.port == 443, broker.webSocket == nil else { return broker }
        var broker = broker
        if broker.tls?.applicationProtocols.isEmpty == true { broker.tls?.applicationProtocols = [name] }
        return broker
    }
}
