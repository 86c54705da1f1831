internal import NIOCore

/// Memory that small packets are written into, one behind the other, until the event loop takes it.
///
/// An array of our own: each access to the storage of a `ByteBuffer` is checked for exclusivity at run time, a fifth of the instructions
/// of a publish at QoS 0. The event loop copies a whole block into a buffer for the channel.
///
/// One of the few files with `unsafe`: `PacketWriter` gets the array's memory for the length of a call, and checks each write.
struct OutboundBlock: Sendable {
    /// The memory of a block that is used for the first time, and of a full one.
    private static let (leastCapacity, fullCapacity) = (512, OutboundBuffer.bufferLength + 1_024)

    private var memory: [UInt8]
    /// Bytes that are written.
    private(set) var count = 0

    init(capacity: Int = 0) { memory = [UInt8](repeating: 0, count: capacity) }

    var isEmpty: Bool { count == 0 }
    var capacity: Int { memory.count }

    /// Appends a packet of at most `length` bytes. Returns how many it has.
    @inline(__always) mutating func append(length: Int, _ body: (inout PacketWriter) -> Void) -> Int {
        if memory.count - count < length { reserve(length) }
        let start = count
        count = unsafe memory.withUnsafeMutableBytes { memory in
            var writer = unsafe PacketWriter(memory, from: start)
            body(&writer)
            return writer.end
        }
        return count - start
    }

    /// Makes room for `length` more bytes.
    private mutating func reserve(_ length: Int) {
        let capacity = max(count + length, Self.leastCapacity, min(8 * memory.count, Self.fullCapacity))
        var larger = [UInt8](repeating: 0, count: capacity)
        larger.replaceSubrange(0..<count, with: memory[0..<count])
        memory = larger
    }

    /// Forgets what is written, and keeps the memory.
    mutating func clear() { count = 0 }

    /// What is written, in a buffer that may have been used before: its memory is used again when nobody else holds it.
    func copy(to buffer: inout ByteBuffer) {
        buffer.clear(minimumCapacity: count)
        unsafe buffer.writeBytes(memory.span.extracting(0..<count).bytes)
    }
}
