internal import NIOCore

/// What waits to be written to the current connection, in order. Small packets share buffers; large payloads are slices and sources.
struct OutboundBuffer {
    enum Segment: Sendable {
        case bytes(ByteBuffer)
        /// The payload of a publish, read while it is written.
        case source(CountedSource, serial: Serial?)
    }

    /// A payload up to this size is copied behind its head; a larger one is written as the slice that it is.
    private static let copiedPayload = 2 << 10
    /// Writes of this size are as fast as writes get.
    private static let bufferLength = 64 << 10
    /// A buffer that has grown beyond is not kept for the next packets: it was a payload's, or an idle client would hold it.
    static let reusedCapacity = 128 << 10

    private var segments: [Segment] = []
    private var tail = ByteBuffer()
    /// Bytes that were appended to this connection since it opened, and how many the operating system took.
    private(set) var appended: UInt64 = 0
    private(set) var written: UInt64 = 0

    var isEmpty: Bool { segments.isEmpty && tail.readableBytes == 0 }
    /// Bytes that the operating system has not taken. Those of a source count too, and are not in memory.
    var pending: Int { Int(appended - written) }
    /// Bytes of them in memory, not yet handed to the channel.
    private(set) var bufferedBytes = 0

    /// Lets go of memory that holds nothing.
    mutating func shrink() {
        if tail.readableBytes == 0 { tail = ByteBuffer() }
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
        guard payload.readableBytes > Self.copiedPayload else {
            return append(length: head.packetLength) { writer in
                head.encode(packetID: packetID, isDuplicate: isDuplicate, into: &writer)
                unsafe payload.withUnsafeReadableBytes { unsafe writer.bytes($0) }
            }
        }
        append(head, packetID: packetID, isDuplicate: isDuplicate)
        appendSegment(.bytes(payload))
        count(payload.readableBytes, inMemory: true)
    }

    private mutating func append(_ head: OutboundPublish, packetID: PacketID, isDuplicate: Bool) {
        append(length: head.encodedLength) { writer in head.encode(packetID: packetID, isDuplicate: isDuplicate, into: &writer) }
    }

    /// Appends a packet of at most `length` bytes.
    mutating func append(length: Int, _ body: (inout PacketWriter) -> Void) {
        if tail.readableBytes >= Self.bufferLength { rotate() }
        if tail.capacity == 0 { tail.reserveCapacity(max(length, 512)) }
        let written = unsafe tail.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { memory in
            var writer = unsafe PacketWriter(memory)
            body(&writer)
            return writer.count
        }
        count(written, inMemory: true)
    }

    private mutating func appendSegment(_ segment: Segment) {
        rotate()
        segments.append(segment)
    }

    private mutating func rotate() {
        guard tail.readableBytes > 0 else { return }
        segments.append(.bytes(tail))
        tail = ByteBuffer()
    }

    private mutating func count(_ bytes: Int, inMemory: Bool) {
        appended += UInt64(bytes)
        if inMemory { bufferedBytes += bytes }
    }

    /// Takes what can be written at once: buffers up to about `limit` bytes, or a single source. `spare` becomes the next tail.
    mutating func take(upTo limit: Int, spare: inout ByteBuffer?) -> [Segment] {
        if segments.isEmpty {
            guard tail.readableBytes > 0 else { return [] }
            let taken = tail
            tail = spare ?? ByteBuffer()
            spare = nil
            bufferedBytes -= taken.readableBytes
            return [.bytes(taken)]
        }
        rotate()
        var taken: [Segment] = []
        var bytes = 0
        scan: for segment in segments {
            switch segment {
            case .source:
                if taken.isEmpty { taken.append(segment) }
                break scan
            case .bytes(let buffer):
                if bytes >= limit { break scan }
                bytes += buffer.readableBytes
                taken.append(segment)
            }
        }
        segments.removeFirst(taken.count)
        bufferedBytes -= bytes
        return taken
    }

    mutating func wrote(_ bytes: Int) { written += UInt64(bytes) }
}
