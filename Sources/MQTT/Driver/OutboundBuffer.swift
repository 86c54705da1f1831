internal import MQTTCore
internal import NIOCore

/// What waits to be written to the current connection, in order. Packets share blocks; large payloads are slices and sources.
struct OutboundBuffer: ~Copyable {
    enum Segment: Sendable {
        /// Packets, or the head of a payload that follows.
        case packets(ByteBuffer)
        /// The last ones in a block, whose memory is free when they are written.
        case lastPackets(ByteBuffer)
        /// A payload in memory.
        case payload(ByteBuffer)
        /// The payload of a publish, read while it is written.
        case source(CountedSource, serial: Serial?)

        /// What is in memory.
        var bytes: ByteBuffer? {
            switch self {
            case .packets(let bytes), .lastPackets(let bytes), .payload(let bytes): bytes
            case .source: nil
            }
        }
    }

    /// Writes of this size are as fast as writes get.
    private static let blockLength = 64 << 10
    /// The memory of a block that is used for the first time.
    private static let leastCapacity = 128
    /// Blocks whose memory is kept for those to come: as many as a batch has.
    private static let mostSpares = 4
    /// The memory of a block that is kept: what has grown beyond was for a packet that is rare.
    private static let mostKept = 2 * blockLength

    private var segments: [Segment] = []
    /// What comes behind the segments.
    private var block = OutboundBlock()
    /// The memory of blocks that were written, so that a busy connection asks for none.
    private var spares: [ByteBuffer] = []
    /// Bytes that were appended to this connection since it opened, and how many the operating system took.
    private(set) var appended: UInt64 = 0
    private(set) var written: UInt64 = 0

    var isEmpty: Bool { segments.isEmpty && block.count == 0 }
    /// Bytes that the operating system has not taken. Those of a source count too, and are not in memory.
    var pending: Int { Int(appended - written) }
    /// Bytes of them in memory, not yet handed to the channel.
    private(set) var bufferedBytes = 0

    /// Of memory, beside that of segments.
    var keptBytes: Int { spares.reduce(block.capacity) { $0 + $1.storageCapacity } }

    /// Lets go of memory that holds nothing.
    mutating func shrink() {
        spares = []
        if block.count == 0 { block = OutboundBlock() }
    }

    mutating func removeAll() { self = OutboundBuffer() }

    mutating func append(_ packet: ControlPacket) {
        append(length: ControlPacket.maximumEncodedLength) { writer in packet.encode(into: &writer) }
    }

    mutating func append(_ head: OutboundPublish, _ payload: Payload, packetID: PacketID, isDuplicate: Bool, serial: Serial?) {
        switch payload.storage {
        case .bytes(let bytes):
            append(length: head.packetLength) { writer in
                head.encode(packetID: packetID, isDuplicate: isDuplicate, into: &writer)
                writer.bytes(bytes.span)
            }
        case .buffer(let buffer) where buffer.readableBytes <= Payload.copiedLength,
            .received(let buffer) where buffer.readableBytes <= Payload.copiedLength:
            append(length: head.packetLength) { writer in
                head.encode(packetID: packetID, isDuplicate: isDuplicate, into: &writer)
                writer.bytes(buffer.readableBytesUInt8Span)
            }
        case .buffer(let buffer), .received(let buffer):
            append(head, packetID: packetID, isDuplicate: isDuplicate)
            append(.payload(buffer))
            count(buffer.readableBytes, inMemory: true)
        case .source(let source):
            append(head, packetID: packetID, isDuplicate: isDuplicate)
            append(.source(source, serial: serial))
            count(source.count, inMemory: false)
        case .stream: precondition(false, "a received stream is refused when it is submitted")
        }
    }

    /// A publish with few bytes.
    mutating func append(_ topic: Span<UInt8>, _ payload: Span<UInt8>, _ flags: PublishFlags, _ packetID: PacketID) {
        let length = topic.count + payload.count + EncodedTopic.mostBytesBeside
        if block.room < length { makeRoom(length) }
        count(block.append(topic, payload, flags, packetID), inMemory: true)
    }

    private mutating func append(_ head: OutboundPublish, packetID: PacketID, isDuplicate: Bool) {
        append(length: head.encodedLength) { writer in head.encode(packetID: packetID, isDuplicate: isDuplicate, into: &writer) }
    }

    /// Appends a packet of at most `length` bytes.
    mutating func append(length: Int, _ body: (inout PacketWriter) -> Void) {
        if block.room < length { makeRoom(length) }
        count(block.append(length: length, body), inMemory: true)
    }

    /// Behind what is in the block.
    private mutating func append(_ segment: Segment) {
        if let packets = block.take() { segments.append(.packets(packets)) }
        segments.append(segment)
    }

    /// All that was in the block is written: it can begin anew, and a connection with little to say never asks for a larger one.
    private var isQuiet: Bool { written == appended && block.isUsed }

    /// Begins the block anew, or goes on in another one.
    private mutating func makeRoom(_ length: Int) {
        if isQuiet, block.capacity >= length { return block.beginAnew() }
        let capacity = block.capacity
        if let packets = block.take() {
            segments.append(.lastPackets(packets))
        } else if let memory = block.end() {
            // It is on its way, and will be free soon.
            reuse([memory])
        }
        if spares.isEmpty {
            // As much comes behind it as was there before, most likely, and more.
            block = OutboundBlock(capacity: max(length, Self.leastCapacity, min(8 * capacity, Self.blockLength)))
        } else {
            block = OutboundBlock(reusing: spares.removeFirst(), capacity: max(length, Self.blockLength))
        }
    }

    private mutating func count(_ bytes: Int, inMemory: Bool) {
        appended += UInt64(bytes)
        if inMemory { bufferedBytes += bytes }
    }

    /// What was written since the last call. A block that is too large to be kept ends with it.
    private mutating func takePackets() -> Segment? {
        guard let packets = block.take() else { return nil }
        guard block.capacity > Self.mostKept else { return .packets(packets) }
        block = OutboundBlock()
        return .lastPackets(packets)
    }

    /// Takes what can be written at once: what is in memory up to about `limit` bytes, or a single source.
    mutating func take(upTo limit: Int) -> [Segment] {
        if let packets = takePackets() {
            guard !segments.isEmpty else {
                bufferedBytes = 0
                return [packets]
            }
            segments.append(packets)
        }
        var bytes = 0
        var count = 0
        for segment in segments {
            if bytes >= limit { break }
            guard let inMemory = segment.bytes else {
                if count == 0 { count = 1 }
                break
            }
            bytes += inMemory.readableBytes
            count += 1
        }
        let taken = Array(segments[..<count])
        segments.removeFirst(count)
        bufferedBytes -= bytes
        return taken
    }

    mutating func wrote(_ bytes: Int) { written += UInt64(bytes) }

    /// Takes the memory of blocks back that were written. Those of the beginning, which are small, are not worth it.
    mutating func reuse(_ blocks: [ByteBuffer]) {
        for block in blocks where spares.count < Self.mostSpares && Self.blockLength...Self.mostKept ~= block.storageCapacity {
            spares.append(block)
        }
    }
}

extension Payload {
    /// Appends a publish, when it has few bytes, and there is the topic. Returns whether it did.
    @inline(__always) func append(
        to topic: EncodedTopic, _ flags: PublishFlags, _ packetID: PacketID, _ outbound: inout OutboundBuffer
    ) -> Bool {
        guard !topic.bytes.isEmpty, case .bytes(let bytes) = storage else { return false }
        // Spans, which count no references.
        outbound.append(topic.bytes.span, bytes.span, flags, packetID)
        return true
    }
}
