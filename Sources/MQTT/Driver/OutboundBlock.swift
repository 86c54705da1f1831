internal import MQTTCore
internal import NIOCore

/// Memory that packets are written into, one behind the other, and that goes to the channel in slices as it is: nothing is copied again.
///
/// One of the few files with `unsafe`. A pointer into the memory of a `ByteBuffer` is kept beside the buffer, which holds it: each access
/// to that memory through the buffer is checked for exclusivity at run time, a fifth of the instructions of a publish at QoS 0. Slices are
/// of bytes that are written, and nothing is written there again before the block begins anew, with memory that nobody else has. It cannot
/// be copied, so there is one writer. `PacketWriter` checks each write against the end.
@safe struct OutboundBlock: ~Copyable, @unchecked Sendable {
    /// All of its memory, as if it was written.
    private var buffer = ByteBuffer()
    private var memory = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// Bytes that are written, and those of them that were taken.
    private var written = 0
    private var taken = 0

    /// Without memory.
    init() {}

    /// With the memory of a buffer, or as much, when somebody else has it still.
    ///
    /// - Parameter capacity: Bytes that it has at least.
    init(reusing old: consuming ByteBuffer = ByteBuffer(), capacity: Int) {
        buffer = old
        begin(capacity)
    }

    /// The same memory from its beginning, or as much, when somebody still has a slice of it. All was taken.
    mutating func beginAnew() {
        precondition(count == 0, "there are packets in the block")
        begin(capacity)
        (written, taken) = (0, 0)
    }

    private mutating func begin(_ capacity: Int) {
        // Another memory, unless this is the only buffer that has it.
        buffer.clear(minimumCapacity: capacity)
        unsafe memory = unsafe buffer.withVeryUnsafeBytesWithStorageManagement { bytes, _ in
            // Its pointer is kept no longer than the buffer.
            unsafe UnsafeMutableRawBufferPointer(mutating: bytes)
        }
        // What is sliced was written.
        unsafe buffer.moveWriterIndex(to: memory.count)
    }

    /// Lets go of its memory, of which all is taken. Nil: it has none.
    mutating func end() -> ByteBuffer? {
        guard count == 0, capacity > 0 else { return nil }
        defer { self = OutboundBlock() }
        return buffer
    }

    var capacity: Int { unsafe memory.count }
    var isUsed: Bool { written > 0 }
    /// Bytes that were not taken yet.
    var count: Int { written - taken }
    var room: Int { capacity - written }

    /// Appends a packet of at most `length` bytes, for which there is room. Returns how many it has.
    @inline(__always) mutating func append(length: Int, _ body: (inout PacketWriter) -> Void) -> Int {
        var writer = unsafe PacketWriter(memory, from: written)
        body(&writer)
        defer { written = writer.end }
        return writer.end - written
    }

    /// Appends a PUBLISH, for which there is room. Returns how many bytes it has.
    mutating func append(_ topic: Span<UInt8>, _ payload: Span<UInt8>, _ flags: PublishFlags, _ packetID: PacketID) -> Int {
        var writer = unsafe PacketWriter(memory, from: written)
        EncodedTopic.encode(topic, payload, flags, packetID, into: &writer)
        defer { written = writer.end }
        return writer.end - written
    }

    /// What was written since the last call. Nil: nothing.
    mutating func take() -> ByteBuffer? {
        guard count > 0 else { return nil }
        defer { taken = written }
        return buffer.getSlice(at: taken, length: count)
    }
}
