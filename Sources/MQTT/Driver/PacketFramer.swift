internal import NIOCore

/// Cuts the stream of received bytes into packets. Memory stays bounded: a large payload passes through in chunks.
struct PacketFramer {
    enum Frame {
        case packet(InboundPacket)
        case suback(InboundPacket, codes: [UInt8])
        /// Its payload is at `offset` of the input; or of the packet, when that is in a buffer of its own. The topic is `lastTopic`.
        case publish(PublishHead, offset: Int, packet: ByteBuffer?)
        /// The head of a PUBLISH whose payload follows in chunks. The topic is `lastTopic`.
        case publishHead(PublishHead)
        case chunk(ByteBuffer, isLast: Bool)
    }

    /// A payload up to this size is handed over whole, a larger one in chunks.
    static let wholePayload = 256 << 10

    private var decoder: PacketDecoder
    /// The beginning of a packet that has not arrived in full. A buffer of its own: appending to the read buffer, whose slices
    /// the application may hold, would copy all of it.
    private var carry = ByteBuffer()
    private var payloadLeft = 0
    private(set) var lastTopic = ""

    init(maximumPacketSize: Int) { decoder = PacketDecoder(maximumPacketSize: maximumPacketSize) }

    var isMidPacket: Bool { carry.readableBytes > 0 || payloadLeft > 0 }

    /// The next frame, or nil when more bytes are needed. Consumes `input` as far as it is used or kept.
    mutating func next(_ input: inout ByteBuffer) throws(ProtocolViolation) -> Frame? {
        if payloadLeft > 0 { return nextChunk(&input) }
        if carry.readableBytes == 0 {
            if let frame = try decode(&input) { return frame }
            carry.writeBuffer(&input)
            return nil
        }
        while true {
            let missing = try bytesNeeded() - carry.readableBytes
            if missing > 0 {
                guard var slice = input.readSlice(length: min(missing, input.readableBytes)), slice.readableBytes > 0 else { return nil }
                carry.writeBuffer(&slice)
            }
            var packet = carry
            carry = ByteBuffer()
            if let frame = try decode(&packet) {
                guard case .publish(let head, let offset, _) = frame else { return frame }
                return .publish(head, offset: offset, packet: packet)
            }
            carry = packet
            if input.readableBytes == 0 { return nil }
        }
    }

    private mutating func nextChunk(_ input: inout ByteBuffer) -> Frame? {
        guard input.readableBytes > 0, let chunk = input.readSlice(length: min(payloadLeft, input.readableBytes)) else { return nil }
        payloadLeft -= chunk.readableBytes
        return .chunk(chunk, isLast: payloadLeft == 0)
    }

    /// How many bytes of the packet in `carry` are needed for the next step.
    private func bytesNeeded() throws(ProtocolViolation) -> Int {
        let bytes = carry.readableBytesUInt8Span
        guard let header = try decoder.header(bytes, at: 0) else { return bytes.count + 1 }
        guard header.type == .publish, header.remainingLength > Self.wholePayload else { return header.packetLength }
        guard bytes.count >= header.length + 2 else { return header.length + 2 }
        let topicLength = Int(bytes[header.length]) << 8 | Int(bytes[header.length + 1])
        return min(header.packetLength, header.length + 2 + topicLength + (header.flags & 0b0110 == 0 ? 0 : 2))
    }

    /// Decodes the packet at the front of `buffer` and consumes it, or returns nil while it is incomplete.
    private mutating func decode(_ buffer: inout ByteBuffer) throws(ProtocolViolation) -> Frame? {
        guard let header = try decoder.header(buffer.readableBytesUInt8Span, at: 0) else { return nil }
        guard header.type == .publish else { return try decodeControl(&buffer, header) }
        let isWhole = buffer.readableBytes >= header.packetLength
        guard isWhole || header.remainingLength > Self.wholePayload else { return nil }
        guard let head = try decoder.publish(buffer.readableBytesUInt8Span, at: 0, header) else { return nil }
        if !head.repeatsTopic {
            lastTopic = buffer.getString(at: buffer.readerIndex + head.topic.lowerBound, length: head.topic.count) ?? ""
        }
        if isWhole || head.payloadLength == 0 {
            let offset = buffer.readerIndex + head.payloadOffset
            buffer.moveReaderIndex(forwardBy: header.packetLength)
            return .publish(head, offset: offset, packet: nil)
        }
        buffer.moveReaderIndex(forwardBy: head.payloadOffset)
        payloadLeft = head.payloadLength
        return .publishHead(head)
    }

    private func decodeControl(_ buffer: inout ByteBuffer, _ header: FixedHeader) throws(ProtocolViolation) -> Frame? {
        guard buffer.readableBytes >= header.packetLength else { return nil }
        let packet = try decoder.control(buffer.readableBytesUInt8Span, at: 0, header)
        guard header.type == .suback else {
            buffer.moveReaderIndex(forwardBy: header.packetLength)
            return .packet(packet)
        }
        let bytes = buffer.readBytes(length: header.packetLength) ?? []
        return .suback(packet, codes: Array(bytes[PacketDecoder.subackCodes(at: 0, header)]))
    }
}
