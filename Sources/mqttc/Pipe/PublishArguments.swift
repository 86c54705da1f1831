import MQTT

/// The fields of `publish`.
struct PublishArguments {
    /// The largest remaining length of a packet [MQTT-2.2.3].
    private static let remainingLengthLimit = 268_435_455

    var topic: String
    private var bytes: [UInt8]
    private var size: Int?
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
        bytes = try fields.bytes("payload") ?? []
        size = try fields.integer("payloadSize", in: 0...Self.remainingLengthLimit)
        if size != nil, fields.has("payload") || fields.has("payloadBase64") {
            throw .denied("payloadSize excludes the other forms of payload")
        }
        let identifierLength = qos == .atMostOnce ? 0 : 2
        guard 2 + topic.utf8.count + identifierLength + (size ?? bytes.count) <= Self.remainingLengthLimit else {
            throw .denied("the packet would have a remaining length of more than 268,435,455")
        }
    }

    /// - Parameter isStored: A store takes whole payloads.
    func payload(isStored: Bool) -> Payload {
        guard let size else { return Payload(bytes: bytes) }
        return isStored ? Payload(bytes: PatternPayload(count: size).bytes(at: 0, count: size)) : PatternPayload.payload(count: size)
    }
}
