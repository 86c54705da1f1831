internal import NIOCore

/// A message that was received.
public struct Message: Sendable {
    /// The full topic.
    public let topic: String
    public let payload: Payload
    /// The QoS of this delivery: the lower of the publisher's and of what the subscription was granted [MQTT-3.8.4-6].
    public let qos: QoS
    /// It was stored at the broker, and came because of a new subscription [MQTT-3.3.1-8].
    public let retain: Bool
    /// The broker sent it before on this hop [MQTT-3.3.1-3]. It need not have arrived then.
    public let isDuplicate: Bool
    /// The packet identifier of this delivery, 0 at QoS 0: `mqttc sub` shows it, and nothing depends on it.
    package let packetID: UInt16

    package init(topic: String, payload: Payload, qos: QoS, retain: Bool, isDuplicate: Bool, packetID: UInt16 = 0) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.isDuplicate = isDuplicate
        self.packetID = packetID
    }

    func with(_ payload: Payload) -> Message {
        Message(topic: topic, payload: payload, qos: qos, retain: retain, isDuplicate: isDuplicate, packetID: packetID)
    }
}

/// A message to publish, for batches.
public struct Publication: Sendable {
    public var payload: Payload
    public var topic: String
    public var qos: QoS
    public var retain: Bool
    /// What the application calls the message: it is kept with it until it is delivered, and is not sent. With it a delivery is found
    /// again after a restart, see ``MQTTClient/deliveries``. Up to 65,535 bytes.
    public var correlationKey: String?

    public init(
        _ payload: Payload, to topic: String, _ qos: QoS = .atMostOnce, retain: Bool = false, correlationKey: String? = nil
    ) {
        self.payload = payload
        self.topic = topic
        self.qos = qos
        self.retain = retain
        self.correlationKey = correlationKey
    }

    package func check() throws(MQTTError) {
        // A source may say anything.
        guard 0...FixedHeader.maximumRemainingLength ~= payload.count else {
            throw .denied("the payload has \(payload.count) bytes, which no packet holds", "MQTT 3.1.1 section 2.2.3")
        }
        try head.check()
        guard correlationKey?.utf8.count ?? 0 <= 65_535 else { throw .denied("the correlation key has more than 65,535 bytes") }
        if case .stream = payload.storage {
            throw .denied("a payload that is being received can be read once only: collect it, or publish it from a source")
        }
    }

    /// Bytes that the message keeps in memory until it is complete.
    var queuedBytes: Int { payload.isStreamed ? 0 : payload.count }

    var head: OutboundPublish { OutboundPublish(topic: topic, qos: qos, retain: retain, payloadLength: payload.count) }
}
