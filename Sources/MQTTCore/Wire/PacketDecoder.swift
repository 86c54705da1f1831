/// Turns what a broker sends into packets, strictly: whatever the standard forbids is a ``ProtocolViolation``.
///
/// Total over all inputs: no sequence of bytes traps.
package struct PacketDecoder: Sendable, Equatable {
    let maximumPacketSize: Int
    /// The topic of the last PUBLISH as it came, behind two bytes of length. Brokers repeat topics, and equal bytes need no second check.
    private(set) var lastTopic: [UInt8] = []
    /// The last PUBLISH with that topic, see RepeatedPublish.swift.
    var lastPublish = LastPublish()

    /// - Parameter maximumPacketSize: The largest packet to accept, in bytes from first to last.
    package init(maximumPacketSize: Int = FixedHeader.maximumRemainingLength + 5) {
        self.maximumPacketSize = maximumPacketSize
    }

    /// Reads and checks the fixed header at `start`. Nil while it is incomplete.
    package func header(_ bytes: Span<UInt8>, at start: Int) throws(ProtocolViolation) -> FixedHeader? {
        guard let header = try FixedHeader.parse(bytes, at: start) else { return nil }
        guard header.packetLength <= maximumPacketSize else { throw .packetTooLarge }
        switch header.type {
        case .publish:
            try checkPublishFlags(header.flags)
            guard header.remainingLength >= 3 else { throw .remainingLength }
        case .pubrel:
            guard header.flags == 0b0010 else { throw .fixedHeaderFlags }  // [MQTT-3.6.1-1]
            guard header.remainingLength == 2 else { throw .remainingLength }
        case .connack, .puback, .pubrec, .pubcomp, .unsuback:
            guard header.flags == 0 else { throw .fixedHeaderFlags }
            guard header.remainingLength == 2 else { throw .remainingLength }
        case .suback:
            guard header.flags == 0 else { throw .fixedHeaderFlags }
            guard 3...(2 + Limits.filtersPerRequest) ~= header.remainingLength else { throw .remainingLength }
        case .pingresp:
            guard header.flags == 0 else { throw .fixedHeaderFlags }
            guard header.remainingLength == 0 else { throw .remainingLength }
        case .connect, .subscribe, .unsubscribe, .pingreq, .disconnect, .auth:
            throw .packetTypeFromClient
        }
        return header
    }

    private func checkPublishFlags(_ flags: UInt8) throws(ProtocolViolation) {
        let qos = flags >> 1 & 0b11
        guard qos != 3 else { throw .reservedQoS }  // [MQTT-3.3.1-4]
        guard qos != 0 || flags & 0b1000 == 0 else { throw .duplicateFlagOnAtMostOnce }  // [MQTT-3.3.1-2]
    }

    /// Reads the variable header of the PUBLISH at `start`, whose payload need not be there. Nil while the head is incomplete.
    package mutating func publish(
        _ bytes: Span<UInt8>, at start: Int, _ header: FixedHeader
    ) throws(ProtocolViolation) -> PublishHead? {
        let body = start + header.length
        guard bytes.count >= body + 2 else { return nil }
        let topicLength = Int(bytes[body]) << 8 | Int(bytes[body + 1])
        let qos = QoS(rawValue: header.flags >> 1 & 0b11) ?? .atMostOnce
        let headLength = 2 + topicLength + (qos == .atMostOnce ? 0 : 2)
        guard headLength <= header.remainingLength else { throw .remainingLength }
        guard bytes.count >= body + headLength else { return nil }
        let topic = body + 2..<body + 2 + topicLength
        let repeats = repeatsLast(bytes, body..<topic.upperBound)
        if !repeats { try check(topic: bytes, topic) }
        var packetID: PacketID = 0
        if qos != .atMostOnce {
            packetID = try PacketDecoder.packetID(bytes, at: topic.upperBound)
        }
        return PublishHead(
            qos: qos, retain: header.flags & 1 == 1, isDuplicate: header.flags & 0b1000 != 0, packetID: packetID,
            topicOffset: topic.lowerBound - start, topicLength: topicLength, payloadOffset: header.length + headLength,
            payloadLength: header.remainingLength - headLength, repeatsTopic: repeats
        )
    }

    private func repeatsLast(_ bytes: Span<UInt8>, _ topic: Range<Int>) -> Bool {
        !lastTopic.isEmpty && TopicComparison.isEqual(bytes, topic, lastTopic.span)
    }

    private mutating func check(topic bytes: Span<UInt8>, _ range: Range<Int>) throws(ProtocolViolation) {
        if let violation = UTF8Rules.violation(in: bytes, range) ?? TopicName.violation(in: bytes, range) { throw violation }
        lastPublish = LastPublish()
        lastTopic.removeAll(keepingCapacity: true)
        lastTopic.reserveCapacity(2 + range.count)
        for index in range.lowerBound - 2..<range.upperBound { lastTopic.append(bytes[index]) }
    }

    /// Reads any other packet, which must be there in full at `start`.
    package func control(_ bytes: Span<UInt8>, at start: Int, _ header: FixedHeader) throws(ProtocolViolation) -> InboundPacket {
        let body = start + header.length
        switch header.type {
        case .connack: return try connack(flags: bytes[body], code: bytes[body + 1])
        case .puback: return .puback(try PacketDecoder.packetID(bytes, at: body))
        case .pubrec: return .pubrec(try PacketDecoder.packetID(bytes, at: body))
        case .pubrel: return .pubrel(try PacketDecoder.packetID(bytes, at: body))
        case .pubcomp: return .pubcomp(try PacketDecoder.packetID(bytes, at: body))
        case .unsuback: return .unsuback(try PacketDecoder.packetID(bytes, at: body))
        case .suback:
            let codes = PacketDecoder.subackCodes(at: start, header)
            for index in codes where !(bytes[index] <= 2 || bytes[index] == 0x80) { throw .subackReturnCode }  // [MQTT-3.9.3-2]
            return .suback(try PacketDecoder.packetID(bytes, at: body), codes: codes.count)
        case .pingresp: return .pingresp
        case .publish, .connect, .subscribe, .unsubscribe, .pingreq, .disconnect, .auth: throw .packetTypeFromClient
        }
    }

    /// Where the return codes of the SUBACK at `start` are.
    package static func subackCodes(at start: Int, _ header: FixedHeader) -> Range<Int> {
        start + header.length + 2..<start + header.packetLength
    }

    private func connack(flags: UInt8, code: UInt8) throws(ProtocolViolation) -> InboundPacket {
        guard flags <= 1 else { throw .connackFlags }
        guard code <= 5 else { throw .connackReturnCode }
        guard code == 0 || flags == 0 else { throw .sessionPresentOnRefusal }  // [MQTT-3.2.2-4]
        return .connack(sessionPresent: flags == 1, ReasonCode(rawValue: code))
    }

    private static func packetID(_ bytes: Span<UInt8>, at index: Int) throws(ProtocolViolation) -> PacketID {
        let packetID = PacketID(bytes[index]) << 8 | PacketID(bytes[index + 1])
        guard packetID != 0 else { throw .packetIdentifierZero }  // [MQTT-2.3.1-1]
        return packetID
    }
}
