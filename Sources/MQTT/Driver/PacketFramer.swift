internal import NIOCore

/// Cuts the stream of received bytes into packets. Memory stays bounded: a large payload passes through in chunks.
struct PacketFramer {
    /// Numbers alone: what has memory of its own is in the framer until the next frame.
    enum Frame: BitwiseCopyable {
        case packet(InboundPacket)
        /// Its return codes are `codes`.
        case suback(InboundPacket)
        /// Its payload is at `offset` of the input, or else of `packet`. The topic is `lastTopic`.
        case publish(PublishHead, offset: Int, isInInput: Bool)
        /// The head of a PUBLISH whose payload follows in chunks. The topic is `lastTopic`.
        case publishHead(PublishHead)
        /// More of its payload is in `chunk`.
        case chunk(isLast: Bool)

        var isMessage: Bool { if case .publish = self { true } else { false } }
    }

    /// A payload up to this size is handed over whole, a larger one in chunks.
    static let wholePayload = 256 << 10

    private var decoder: PacketDecoder
    /// The beginning of a packet that has not arrived in full. A buffer of its own: appending to the read buffer, whose slices
    /// the application may hold, would copy all of it.
    private var carry = ByteBuffer()
    private var payloadLeft = 0
    private(set) var lastTopic = ""
    /// A packet that came in several reads.
    private(set) var packet = ByteBuffer()
    private(set) var chunk = ByteBuffer()
    private(set) var codes: [UInt8] = []

    init(maximumPacketSize: Int) { decoder = PacketDecoder(maximumPacketSize: maximumPacketSize) }

    var isMidPacket: Bool { carry.readableBytes > 0 || payloadLeft > 0 }

    /// The next frame, or nil when more bytes are needed.
    ///
    /// - Parameters:
    ///   - input: What was read.
    ///   - bytes: Its readable bytes: one look at the buffer for many packets.
    ///   - position: Where to go on in them. Moves as far as they are used or kept.
    mutating func next(_ input: ByteBuffer, _ bytes: Span<UInt8>, _ position: inout Int) throws(ProtocolViolation) -> Frame? {
        if payloadLeft > 0 { return nextChunk(input, bytes.count, &position) }
        guard carry.readableBytes == 0 else { return try nextOfCarry(input, bytes, &position) }
        if let packet = decoder.acknowledgement(bytes, at: position) {
            position += 4
            return .packet(packet)
        }
        if let head = decoder.repeatedPublish(bytes, at: position) {
            defer { position += head.payloadOffset + head.payloadLength }
            return .publish(head, offset: input.readerIndex + position + head.payloadOffset, isInInput: true)
        }
        if let frame = try decode(input, bytes, &position) { return frame }
        keep(input, bytes.count - position, &position)
        return nil
    }

    /// The next message, when it has QoS 0, the topic of the one before, and is all in the input. Nil: see `next`, which takes it up.
    mutating func nextRepeated(_ bytes: Span<UInt8>, _ position: inout Int) -> PublishHead? {
        guard position < bytes.count, bytes[position] & 0b0110 == 0, !isMidPacket,
            let head = decoder.repeatedPublish(bytes, at: position)
        else { return nil }
        position += head.payloadOffset + head.payloadLength
        return head
    }

    /// Lets go of what the last frame had.
    mutating func forgetFrame() {
        if packet.readableBytes > 0 { packet = ByteBuffer() }
        if chunk.readableBytes > 0 { chunk = ByteBuffer() }
    }

    private mutating func nextOfCarry(
        _ input: ByteBuffer, _ bytes: Span<UInt8>, _ position: inout Int
    ) throws(ProtocolViolation) -> Frame? {
        while true {
            let missing = try bytesNeeded() - carry.readableBytes
            if missing > 0 {
                guard position < bytes.count else { return nil }
                keep(input, min(missing, bytes.count - position), &position)
            }
            let kept = carry
            var consumed = 0
            if let frame = try decode(kept, kept.readableBytesUInt8Span, &consumed) {
                carry = ByteBuffer()
                guard case .publish(let head, let offset, _) = frame else { return frame }
                packet = kept
                return .publish(head, offset: offset, isInInput: false)
            }
            if position == bytes.count { return nil }
        }
    }

    private mutating func keep(_ input: ByteBuffer, _ count: Int, _ position: inout Int) {
        guard count > 0, var slice = input.getSlice(at: input.readerIndex + position, length: count) else { return }
        carry.writeBuffer(&slice)
        position += count
    }

    private mutating func nextChunk(_ input: ByteBuffer, _ end: Int, _ position: inout Int) -> Frame? {
        let length = min(payloadLeft, end - position)
        guard length > 0, let slice = input.getSlice(at: input.readerIndex + position, length: length) else { return nil }
        chunk = slice
        position += length
        payloadLeft -= length
        return .chunk(isLast: payloadLeft == 0)
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

    /// Decodes the packet at `position` and moves behind it, or returns nil while it is incomplete.
    private mutating func decode(
        _ buffer: ByteBuffer, _ bytes: Span<UInt8>, _ position: inout Int
    ) throws(ProtocolViolation) -> Frame? {
        let start = position
        guard let header = try decoder.header(bytes, at: start) else { return nil }
        let isWhole = bytes.count - start >= header.packetLength
        guard header.type == .publish else {
            guard isWhole else { return nil }
            position += header.packetLength
            return try decodeControl(bytes, at: start, header)
        }
        guard isWhole || header.remainingLength > Self.wholePayload else { return nil }
        guard let head = try decoder.publish(bytes, at: start, header) else { return nil }
        if !head.repeatsTopic {
            lastTopic = buffer.getString(at: buffer.readerIndex + start + head.topicOffset, length: head.topicLength) ?? ""
        }
        if isWhole || head.payloadLength == 0 {
            position += header.packetLength
            return .publish(head, offset: buffer.readerIndex + start + head.payloadOffset, isInInput: true)
        }
        position += head.payloadOffset
        payloadLeft = head.payloadLength
        return .publishHead(head)
    }

    private mutating func decodeControl(_ bytes: Span<UInt8>, at start: Int, _ header: FixedHeader) throws(ProtocolViolation) -> Frame {
        let packet = try decoder.control(bytes, at: start, header)
        guard header.type == .suback else { return .packet(packet) }
        codes = PacketDecoder.subackCodes(at: start, header).map { bytes[$0] }
        return .suback(packet)
    }
}
