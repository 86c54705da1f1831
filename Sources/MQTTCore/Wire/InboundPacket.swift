/// Identifies a packet within one direction of a session: 1 to 65,535 (section 2.3.1).
package typealias PacketID = UInt16

/// What a broker can send, as the session sees it: heads and numbers, no payload and no text.
package enum InboundPacket: Sendable, Equatable, BitwiseCopyable {
    case connack(sessionPresent: Bool, ReasonCode)
    case publish(InboundPublish)
    case puback(PacketID)
    case pubrec(PacketID)
    case pubrel(PacketID)
    case pubcomp(PacketID)
    /// The number of return codes. The codes themselves stay with whoever holds the bytes.
    case suback(PacketID, codes: Int)
    case unsuback(PacketID)
    case pingresp
}

/// What the session needs to know of a received PUBLISH.
package struct InboundPublish: Sendable, Equatable, BitwiseCopyable {
    package var qos: QoS
    /// 0 at QoS 0, which has no identifier [MQTT-2.3.1-5].
    package var packetID: PacketID
    /// False when the payload is still arriving: the message is not whole, and must not be acknowledged.
    package var isComplete: Bool

    package init(qos: QoS, packetID: PacketID = 0, isComplete: Bool = true) {
        self.qos = qos
        self.packetID = packetID
        self.isComplete = isComplete
    }
}

/// The head of a received PUBLISH, and where in the bytes its parts are.
package struct PublishHead: Sendable, Equatable, BitwiseCopyable {
    package var qos = QoS.atMostOnce
    package var retain = false
    package var isDuplicate = false
    package var packetID: PacketID = 0
    /// Where the topic's text begins, counted from the packet's first byte.
    package var topicOffset = 0
    package var topicLength = 0
    /// Where the payload begins, counted from the packet's first byte.
    package var payloadOffset = 0
    package var payloadLength = 0
    /// The topic has the same bytes as that of the PUBLISH decoded before.
    package var repeatsTopic = false

    func with(_ packetID: PacketID) -> PublishHead {
        var head = self
        head.packetID = packetID
        return head
    }
}
