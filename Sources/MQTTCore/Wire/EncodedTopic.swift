/// A topic as it goes out, for those who publish to it again and again.
package struct EncodedTopic: Sendable {
    /// Two bytes of length, then the text in UTF-8. Empty: there is none.
    package let bytes: [UInt8]

    package init() { bytes = [] }

    /// - Parameter topic: One that was checked.
    package init(_ topic: String) { bytes = Array(packetOf: 2 + topic.utf8.count) { writer in writer.string(topic) } }

    /// Bytes of a PUBLISH beside those of the topic and of the payload, at most.
    package static let mostBytesBeside = 1 + 4 + 2

    /// A whole PUBLISH. Of spans, which count no references.
    ///
    /// - Parameter packetID: Not written at QoS 0 [MQTT-2.3.1-5].
    package static func encode(
        _ topic: Span<UInt8>, _ payload: Span<UInt8>, _ flags: PublishFlags, _ packetID: PacketID, into writer: inout PacketWriter
    ) {
        writer.byte(flags.firstByte)
        writer.variableByteInteger(topic.count + payload.count + (flags.qos == .atMostOnce ? 0 : 2))
        writer.bytes(topic)
        if flags.qos != .atMostOnce { writer.integer(packetID) }
        writer.bytes(payload)
    }
}
