internal import NIOCore

/// What waits to be written to the current connection, in order. Small packets share blocks; large payloads are slices and sources.
struct OutboundBuffer {
    enum Segment: Sendable {
        /// Small packets.
        case block(OutboundBlock)
        /// Packets, the head of a payload that follows, or such a payload in memory.
        case bytes(ByteBuffer)
        /// The payload of a publish, read while it is written.
        case source(CountedSource, serial: Serial?)
    }

    /// A payload up to this size is copied behind its head, into a block, which is copied once more as a whole: 1.4 times the rate at 256
    /// bytes, and 1.1 times at 2,000. A larger one is written as the slice that it is.
    private static let copiedPayload = 2 << 10
    /// Writes of this size are as fast as writes get.
    static let bufferLength = 64 << 10

    private var segments: [Segment] = []
    // What comes behind the segments. One of the two is empty.
    private var block = OutboundBlock()
    private var buffer = ByteBuffer()
    /// Bytes that were appended to this connection since it opened, and how many the operating system took.
    private(set) var appended: UInt64 = 0
    private(set) var written: UInt64 = 0

    var isEmpty: Bool { segments.isEmpty && block.isEmpty && buffer.readableBytes == 0 }
    /// Bytes that the operating system has not taken. Those of a source count too, and are not in memory.
    var pending: Int { Int(appended - written) }
    /// Bytes of them in memory, not yet handed to the channel.
    private(set) var bufferedBytes = 0

    /// Lets go of memory that holds nothing.
    mutating func shrink() {
        if block.isEmpty { block = OutboundBlock() }
        if buffer.readableBytes == 0 { buffer = ByteBuffer() }
    }

    mutating func removeAll() { self = OutboundBuffer() }

    mutating func append(_ packet: ControlPacket) {
        append(length: ControlPacket.maximumEncodedLength) { writer in packet.encode(into: &writer) }
    }

    mutating func append(_ head: OutboundPublish, _ payload: Payload, packetID: PacketID, isDuplicate: Bool, serial: Serial?) {
        switch payload.storage {
        case .buffer(let buffer): append(head, buffer, packetID: packetID, isDuplicate: isDuplicate)
        case .source(let source):
            append(head, packetID: packetID, isDuplicate: isDuplicate)
            appendSegment(.source(source, serial: serial))
            count(source.count, inMemory: false)
        case .stream: precondition(false, "a received stream is refused when it is submitted")
        }
    }

    mutating func append(_ head: OutboundPublish, _ payload: ByteBuffer, packetID: PacketID, isDuplicate: Bool) {
        // Behind larger ones it does not change sides.
        guard payload.readableBytes <= Self.copiedPayload, buffer.readableBytes == 0 else {
            return appendLarger(head, payload, packetID: packetID, isDuplicate: isDuplicate)
        }
        appendToBlock(length: head.packetLength) { writer in
            head.encode(packetID: packetID, isDuplicate: isDuplicate, into: &writer)
            writer.bytes(payload.readableBytesUInt8Span)
        }
    }

    // Not inlined: with two ways to go references would be counted also for a small packet.
    @inline(never) private mutating func appendLarger(
        _ head: OutboundPublish, _ payload: ByteBuffer, packetID: PacketID, isDuplicate: Bool
    ) {
        guard payload.readableBytes > Self.copiedPayload else {
            return appendToBuffer(length: head.packetLength) { writer in
                head.encode(packetID: packetID, isDuplicate: isDuplicate, into: &writer)
                writer.bytes(payload.readableBytesUInt8Span)
            }
        }
        append(head, packetID: packetID, isDuplicate: isDuplicate)
        appendSegment(.bytes(payload))
        count(payload.readableBytes, inMemory: true)
    }

    private mutating func append(_ head: OutboundPublish, packetID: PacketID, isDuplicate: Bool) {
        appendToBuffer(length: head.encodedLength) { writer in head.encode(packetID: packetID, isDuplicate: isDuplicate, into: &writer) }
    }

    /// Appends a packet of at most `length` bytes.
    mutating func append(length: Int, _ body: (inout PacketWriter) -> Void) {
        if buffer.readableBytes > 0 { appendToBuffer(length: length, body) } else { appendToBlock(length: length, body) }
    }

    @inline(__always) private mutating func appendToBlock(length: Int, _ body: (inout PacketWriter) -> Void) {
        if block.count >= Self.bufferLength {
            let capacity = block.capacity
            rotate()
            // As much comes behind it, most likely.
            block = OutboundBlock(capacity: capacity)
        }
        count(block.append(length: length, body), inMemory: true)
    }

    private mutating func appendToBuffer(length: Int, _ body: (inout PacketWriter) -> Void) {
        if !block.isEmpty || buffer.readableBytes >= Self.bufferLength { rotate() }
        if buffer.capacity == 0 { buffer.reserveCapacity(max(length, 512)) }
        let written = unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { memory in
            var writer = unsafe PacketWriter(memory)
            body(&writer)
            return writer.end
        }
        count(written, inMemory: true)
    }

    private mutating func appendSegment(_ segment: Segment) {
        rotate()
        segments.append(segment)
    }

    private mutating func rotate() {
        if !block.isEmpty {
            segments.append(.block(block))
            block = OutboundBlock()
        }
        if buffer.readableBytes > 0 {
            segments.append(.bytes(buffer))
            buffer = ByteBuffer()
        }
    }

    private mutating func count(_ bytes: Int, inMemory: Bool) {
        appended += UInt64(bytes)
        if inMemory { bufferedBytes += bytes }
    }

    /// Takes what can be written at once: blocks and buffers up to about `limit` bytes, or a single source. What comes next is written
    /// into the memory of `spare`.
    mutating func take(upTo limit: Int, spare: inout OutboundSpare) -> [Segment] {
        if segments.isEmpty {
            if !block.isEmpty {
                let taken = block
                block = spare.takeBlock()
                bufferedBytes -= taken.count
                return [.block(taken)]
            }
            guard buffer.readableBytes > 0 else { return [] }
            let taken = buffer
            buffer = spare.takeBuffer()
            bufferedBytes -= taken.readableBytes
            return [.bytes(taken)]
        }
        rotate()
        block = spare.takeBlock()
        var taken: [Segment] = []
        var bytes = 0
        scan: for segment in segments {
            if bytes >= limit { break scan }
            switch segment {
            case .source:
                if taken.isEmpty { taken.append(segment) }
                break scan
            case .block(let block): bytes += block.count
            case .bytes(let buffer): bytes += buffer.readableBytes
            }
            taken.append(segment)
        }
        segments.removeFirst(taken.count)
        bufferedBytes -= bytes
        return taken
    }

    mutating func wrote(_ bytes: Int) { written += UInt64(bytes) }
}
