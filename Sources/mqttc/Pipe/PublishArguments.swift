import MQTT

/// The fields of `publish`.
struct PublishArguments {
    /// The largest remaining length of a packet [MQTT-2.2.3].
    private static let remainingLengthLimit = 268_435_455

    var topic: String
    var payload: Payload
    var qos: QoS
    var retain: Bool

    init(_ fields: Fields) throws(PipeFailure) {
        try fields.refuseProperties()
        guard let topic = try fields.string("topic") else { throw .denied("topic is missing") }
        do {
            _ = try TopicName(topic)
        } catch {
            throw PipeFailure(error)
        }
        self.topic = topic
        qos = try fields.qos() ?? .atMostOnce
        retain = try fields.bool("retain") ?? false
        payload = try PublishArguments.payload(fields)
        let identifierLength = qos == .atMostOnce ? 0 : 2
        guard 2 + topic.utf8.count + identifierLength + payload.count <= Self.remainingLengthLimit else {
            throw .denied("the packet would have a remaining length of more than 268,435,455")
        }
    }

    private static func payload(_ fields: Fields) throws(PipeFailure) -> Payload {
        let bytes = try fields.bytes("payload")
        guard let size = try fields.integer("payloadSize", in: 0...remainingLengthLimit) else { return Payload(bytes: bytes ?? []) }
        guard bytes == nil else { throw .denied("payloadSize excludes the other forms of payload") }
        return PatternPayload.payload(count: size)
    }
}
