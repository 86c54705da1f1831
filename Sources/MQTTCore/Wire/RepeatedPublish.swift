/// A short way for what most received packets are: as the one before, but for the payload.
extension PacketDecoder {
    /// The numbers of a PUBLISH whose topic is ``lastTopic``, and the bytes that they came of.
    struct LastPublish: Sendable, Equatable, BitwiseCopyable {
        /// The fixed header: three bytes, or two and a zero. Before there is one, all are zero.
        var header: (UInt8, UInt8, UInt8) = (0, 0, 0)
        var head = PublishHead()

        static func == (one: LastPublish, other: LastPublish) -> Bool { one.header == other.header && one.head == other.head }
    }

    /// The head of the PUBLISH at `start`, when all of the packet is there and its topic is that of the one before. Nil: it is to be
    /// looked at in full, by ``header(_:at:)`` and ``publish(_:at:_:)``.
    ///
    /// Whatever comes of this comes of those two: what they refuse is not accepted here.
    package mutating func repeatedPublish(_ bytes: Span<UInt8>, at start: Int) -> PublishHead? {
        let available = bytes.count - start
        guard lastTopic.count > 2, available >= 2 + lastTopic.count, matches(bytes, at: start) || note(bytes, at: start) else { return nil }
        // From here on the fixed header is that of `lastPublish`.
        let head = lastPublish.head
        let body = start + head.topicOffset - 2
        let topicEnd = body + lastTopic.count
        guard head.payloadOffset + head.payloadLength <= available, TopicComparison.isEqual(bytes, body..<topicEnd, lastTopic.span) else {
            return nil
        }
        if head.qos == .atMostOnce { return head }
        let packetID = PacketID(bytes[topicEnd]) << 8 | PacketID(bytes[topicEnd + 1])
        return packetID == 0 ? nil : head.with(packetID)
    }

    /// Whether the fixed header is that of the one before.
    @inline(__always) private func matches(_ bytes: Span<UInt8>, at start: Int) -> Bool {
        let (first, second, third) = lastPublish.header
        return first != 0 && bytes[start] == first && bytes[start + 1] == second && (second < 0x80 || bytes[start + 2] == third)
    }

    /// Notes the fixed header, and what follows from it for a PUBLISH with the last topic. False: it has none that could be.
    private mutating func note(_ bytes: Span<UInt8>, at start: Int) -> Bool {
        let (first, second, third) = (bytes[start], bytes[start + 1], bytes[start + 2])
        let qos = first >> 1 & 0b11
        guard first & 0xF0 == 0x30, qos != 3, qos != 0 || first & 0b1000 == 0, second < 0x80 || third < 0x80 else { return false }
        let headerLength = second < 0x80 ? 2 : 3
        let remainingLength = second < 0x80 ? Int(second) : Int(second & 0x7F) | Int(third) << 7
        let headLength = lastTopic.count + (qos == 0 ? 0 : 2)
        guard headLength <= remainingLength, headerLength + remainingLength <= maximumPacketSize else { return false }
        lastPublish.header = (first, second, second < 0x80 ? 0 : third)
        lastPublish.head = PublishHead(
            qos: QoS(rawValue: qos) ?? .atMostOnce, retain: first & 1 == 1, isDuplicate: first & 0b1000 != 0, packetID: 0,
            topicOffset: headerLength + 2, topicLength: lastTopic.count - 2, payloadOffset: headerLength + headLength,
            payloadLength: remainingLength - headLength, repeatsTopic: true
        )
        return true
    }
}
