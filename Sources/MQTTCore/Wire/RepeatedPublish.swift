/// A short way for what most received packets are.
extension PacketDecoder {
    /// The head of the PUBLISH at `start`, when all of the packet is there and its topic is that of the one before. Nil: it is to be
    /// looked at in full, by ``header(_:at:)`` and ``publish(_:at:_:)``.
    ///
    /// Whatever comes of this comes of those two: what they refuse is not accepted here.
    package func repeatedPublish(_ bytes: Span<UInt8>, at start: Int) -> PublishHead? {
        let topicLength = lastTopic.count
        let available = bytes.count - start
        guard topicLength > 0, available >= 4 + topicLength else { return nil }
        let first = bytes[start]
        let qos = first >> 1 & 0b11
        guard first & 0xF0 == 0x30, qos != 3, qos != 0 || first & 0b1000 == 0 else { return nil }
        var remainingLength = Int(bytes[start + 1])
        var headerLength = 2
        if remainingLength >= 0x80 {
            let second = Int(bytes[start + 2])
            guard second < 0x80 else { return nil }
            remainingLength = remainingLength & 0x7F | second << 7
            headerLength = 3
        }
        let headLength = 2 + topicLength + (qos == 0 ? 0 : 2)
        let packetLength = headerLength + remainingLength
        guard headLength <= remainingLength, packetLength <= min(available, maximumPacketSize) else { return nil }
        let body = start + headerLength
        guard Int(bytes[body]) << 8 | Int(bytes[body + 1]) == topicLength else { return nil }
        let topic = body + 2..<body + 2 + topicLength
        guard TopicComparison.isEqual(bytes, topic, lastTopic.span) else { return nil }
        let packetID = qos == 0 ? 0 : PacketID(bytes[topic.upperBound]) << 8 | PacketID(bytes[topic.upperBound + 1])
        guard qos == 0 || packetID != 0 else { return nil }
        return PublishHead(
            qos: QoS(rawValue: qos) ?? .atMostOnce, retain: first & 1 == 1, isDuplicate: first & 0b1000 != 0, packetID: packetID,
            topicOffset: headerLength + 2, topicLength: topicLength, payloadOffset: headerLength + headLength,
            payloadLength: remainingLength - headLength, repeatsTopic: true
        )
    }
}
