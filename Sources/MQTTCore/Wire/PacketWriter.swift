/// Writes packets into memory that the caller provides. Sizes are known beforehand, see `encodedLength` of each packet.
///
/// One of the few files with `unsafe`: the memory is the outbound buffer's own, and every write is checked against its end.
@safe package struct PacketWriter: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    /// Bytes written so far.
    package private(set) var count = 0

    package init(_ memory: UnsafeMutableRawBufferPointer) {
        unsafe self.memory = memory
    }

    package mutating func byte(_ value: UInt8) {
        // The subscript checks in debug builds only.
        unsafe precondition(count < memory.count, "a packet's encodedLength is too small")
        unsafe memory[count] = value
        count += 1
    }

    package mutating func integer(_ value: UInt16) {
        byte(UInt8(truncatingIfNeeded: value >> 8))
        byte(UInt8(truncatingIfNeeded: value))
    }

    /// The remaining length: seven bits a byte, the shortest form (section 2.2.3).
    package mutating func variableByteInteger(_ value: Int) {
        var rest = value
        repeat {
            let low = UInt8(rest & 0x7F)
            rest >>= 7
            byte(rest > 0 ? low | 0x80 : low)
        } while rest > 0
    }

    /// Two bytes of length, then the text.
    package mutating func string(_ value: String) {
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
    package mutating func bytes(_ bytes: UnsafeRawBufferPointer) {
        unsafe precondition(bytes.count <= memory.count - count, "a packet's encodedLength is too small")
        unsafe UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: bytes)
        count += bytes.count
    }
}

extension Array where Element == UInt8 {
    /// Collects what `body` writes, `length` bytes. For packets that are rare, and for tests.
    package init(packetOf length: Int, _ body: (inout PacketWriter) -> Void) {
        unsafe self.init(unsafeUninitializedCapacity: length) { memory, initialized in
            var writer = unsafe PacketWriter(UnsafeMutableRawBufferPointer(memory))
            body(&writer)
            initialized = writer.count
        }
    }
}

/// Bytes that the variable byte integer `value` takes: 1 to 4.
package func variableByteIntegerLength(_ value: Int) -> Int {
    value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4
}
