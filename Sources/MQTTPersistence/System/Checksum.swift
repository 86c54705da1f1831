/// CRC-32C (Castagnoli, RFC 3720 appendix B.4), eight bytes a step.
struct Checksum: Sendable {
    private static let tables = makeTables()

    private var state: UInt32 = ~0

    var value: UInt32 { ~state }

    static func of(_ bytes: Span<UInt8>) -> UInt32 {
        var checksum = Checksum()
        checksum.update(bytes)
        return checksum.value
    }

    mutating func update(_ bytes: Span<UInt8>) {
        let tables = Self.tables.span
        var crc = state
        var index = 0
        let end = bytes.count
        while index &+ 8 <= end {
            let low =
                crc
                ^ (UInt32(bytes[index]) | UInt32(bytes[index &+ 1]) << 8
                    | UInt32(bytes[index &+ 2]) << 16 | UInt32(bytes[index &+ 3]) << 24)
            let first = tables[1792 &+ Int(low & 255)] ^ tables[1536 &+ Int(low >> 8 & 255)]
            let second = tables[1280 &+ Int(low >> 16 & 255)] ^ tables[1024 &+ Int(low >> 24)]
            let third = tables[768 &+ Int(bytes[index &+ 4])] ^ tables[512 &+ Int(bytes[index &+ 5])]
            let fourth = tables[256 &+ Int(bytes[index &+ 6])] ^ tables[Int(bytes[index &+ 7])]
            crc = first ^ second ^ third ^ fourth
            index &+= 8
        }
        while index < end {
            crc = crc >> 8 ^ tables[Int((crc ^ UInt32(bytes[index])) & 255)]
            index &+= 1
        }
        state = crc
    }

    mutating func update(_ word: UInt64) {
        let bytes: [8 of UInt8] = [
            UInt8(truncatingIfNeeded: word), UInt8(truncatingIfNeeded: word >> 8), UInt8(truncatingIfNeeded: word >> 16),
            UInt8(truncatingIfNeeded: word >> 24), UInt8(truncatingIfNeeded: word >> 32), UInt8(truncatingIfNeeded: word >> 40),
            UInt8(truncatingIfNeeded: word >> 48), UInt8(truncatingIfNeeded: word >> 56),
        ]
        update(bytes.span)
    }

    /// Table n at n * 256: the effect of a byte with n bytes behind it.
    private static func makeTables() -> [UInt32] {
        var tables = [UInt32](repeating: 0, count: 2048)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0x82F6_3B78 }
            tables[byte] = crc
        }
        for index in 256..<2048 {
            let previous = tables[index - 256]
            tables[index] = previous >> 8 ^ tables[Int(previous & 255)]
        }
        return tables
    }
}
