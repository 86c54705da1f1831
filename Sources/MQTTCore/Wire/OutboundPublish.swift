/// The head of a PUBLISH to send. The payload follows it on the wire, and is written by whoever holds it.
package struct OutboundPublish: Sendable {
    package let topic: String
    package let qos: QoS
    package let retain: Bool
    package let payloadLength: Int
    package let remainingLength: Int

    package init(topic: String, qos: QoS, retain: Bool, payloadLength: Int) {
        self.topic = topic
        self.qos = qos
        self.retain = retain
        self.payloadLength = payloadLength
        remainingLength = 2 + topic.utf8.count + (qos == .atMostOnce ? 0 : 2) + payloadLength
    }

    /// Bytes of the head: what comes before the payload.
    package var encodedLength: Int { packetLength - payloadLength }

    /// Bytes of the packet from first to last.
    package var packetLength: Int { 1 + variableByteIntegerLength(remainingLength) + remainingLength }

    /// Everything that can be wrong with it, before anything is sent or stored.
    package func check() throws(MQTTError) {
        try TopicName.check(topic)
        guard remainingLength <= FixedHeader.maximumRemainingLength else {
            throw .denied("the packet would have a remaining length of more than 268,435,455", "MQTT 3.1.1 section 2.2.3")
        }
    }

    /// - Parameters:
    ///   - packetID: Not written at QoS 0 [MQTT-2.3.1-5].
    ///   - isDuplicate: Whether it went out before [MQTT-3.3.1-1]; never at QoS 0 [MQTT-3.3.1-2].
    package func encode(packetID: PacketID, isDuplicate: Bool, into writer: inout PacketWriter) {
        writer.byte(PublishFlags(qos: qos, retain: retain, isDuplicate: isDuplicate).firstByte)
        writer.variableByteInteger(remainingLength)
        writer.string(topic)
        if qos != .atMostOnce { writer.integer(packetID) }
    }
}

/// What the first byte of a PUBLISH says.
package struct PublishFlags: Sendable, BitwiseCopyable {
    package let qos: QoS
    package let retain: Bool
    /// Whether it went out before [MQTT-3.3.1-1]; never at QoS 0 [MQTT-3.3.1-2].
    package let isDuplicate: Bool

    package init(qos: QoS, retain: Bool, isDuplicate: Bool = false) {
        (self.qos, self.retain) = (qos, retain)
        self.isDuplicate = isDuplicate && qos != .atMostOnce
    }

    var firstByte: UInt8 { 0x30 | (isDuplicate ? 0b1000 : 0) | qos.rawValue << 1 | (retain ? 1 : 0) }
}
