/// Writes packets into memory that the caller provides. Sizes are known beforehand, see `encodedLength` of each packet.
///
/// One of the few files with `unsafe`: the memory is the outbound buffer's own, and every write is checked against its end.
@safe package struct PacketWriter: ~Copyable {
    // The subscript and the slices of a buffer pointer check in debug builds only, and slices are slow: most packets are small.
    private let start: UnsafeMutableRawPointer?
    private let capacity: Int
    /// Where the next byte goes.
    package private(set) var end: Int

    /// - Parameter position: Where to begin in the memory.
    package init(_ memory: UnsafeMutableRawBufferPointer, from position: Int = 0) {
        unsafe start = memory.baseAddress
        capacity = memory.count
        end = position
    }

    package mutating func byte(_ value: UInt8) {
        unsafe place(1).storeBytes(of: value, as: UInt8.self)
    }

    /// Where these bytes go. They count as written.
    @inline(__always) private mutating func place(_ bytes: Int) -> UnsafeMutableRawPointer {
        precondition(bytes <= capacity - end, "a packet's encodedLength is too small")
        defer { end += bytes }
        // There is memory: the capacity is not zero.
        return unsafe start! + end
    }

    package mutating func integer(_ value: UInt16) {
        unsafe place(2).storeBytes(of: value.bigEndian, as: UInt16.self)
    }

    /// The remaining length: seven bits a byte, the shortest form (section 2.2.3).
    @inline(__always) package mutating func variableByteInteger(_ value: Int) {
        if value < 0x80 { return byte(UInt8(truncatingIfNeeded: value)) }
        var rest = value
        repeat {
            let low = UInt8(rest & 0x7F)
            rest >>= 7
            byte(rest > 0 ? low | 0x80 : low)
        } while rest > 0
    }

    /// Two bytes of length, then the text.
    package mutating func string(_ value: String) {
        // Nearly all texts are there as UTF-8, and none of those is copied or counted.
        if unsafe value.utf8.withContiguousStorageIfAvailable({ unsafe lengthAndBytes(UnsafeRawBufferPointer($0)) }) != nil { return }
        var value = value
        value.withUTF8 { unsafe lengthAndBytes(UnsafeRawBufferPointer($0)) }
    }

    /// Two bytes of length, then the bytes.
    package mutating func binary(_ value: [UInt8]) {
        unsafe value.withUnsafeBytes { unsafe lengthAndBytes($0) }
    }

    private mutating func lengthAndBytes(_ bytes: UnsafeRawBufferPointer) {
        integer(UInt16(bytes.count))
        unsafe self.bytes(bytes)
    }

    /// The bytes as they are: a payload.
    @inline(__always) package mutating func bytes(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBytes { unsafe self.bytes($0) }
    }

    @inline(__always) private mutating func bytes(_ bytes: UnsafeRawBufferPointer) {
        guard let from = bytes.baseAddress, bytes.count > 0 else { return }
        unsafe place(bytes.count).copyMemory(from: from, byteCount: bytes.count)
    }
}

extension Array where Element == UInt8 {
    /// Collects what `body` writes, `length` bytes. For packets that are rare, and for tests.
    package init(packetOf length: Int, _ body: (inout PacketWriter) -> Void) {
        unsafe self.init(unsafeUninitializedCapacity: length) { memory, initialized in
            var writer = unsafe PacketWriter(UnsafeMutableRawBufferPointer(memory))
            body(&writer)
            initialized = writer.end
        }
    }
}

/// Bytes that the variable byte integer `value` takes: 1 to 4.
package func variableByteIntegerLength(_ value: Int) -> Int {
    value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4
}
