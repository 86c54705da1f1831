package import MQTTCore

/// Every payload names its message in eight bytes, and the rest follows from them. So nobody has to keep payloads, and none
/// can be damaged or mixed up unnoticed.
package enum Payloads {
    package static let minimum = 8

    /// `direction`: 1 from the client under test, 2 to it.
    package static func name(direction: UInt64, _ qos: QoS, _ index: Int) -> UInt64 {
        direction << 56 | UInt64(qos.rawValue) << 48 | UInt64(index)
    }

    package static func append(_ name: UInt64, size: Int, to bytes: inout [UInt8]) {
        for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: name >> (UInt64(shift) * 8))) }
        guard size > minimum else { return }
        for offset in minimum..<size { bytes.append(byte(name, offset)) }
    }

    package static func byte(_ name: UInt64, _ offset: Int) -> UInt8 { UInt8(truncatingIfNeeded: name &+ UInt64(offset)) &* 31 }

    package static func name(of bytes: some RandomAccessCollection<UInt8>) -> UInt64? {
        guard bytes.count >= minimum else { return nil }
        var name: UInt64 = 0
        var index = bytes.startIndex
        for shift in 0..<8 {
            name |= UInt64(bytes[index]) << (UInt64(shift) * 8)
            bytes.formIndex(after: &index)
        }
        return name
    }

    package static func qos(of name: UInt64) -> QoS? { QoS(rawValue: UInt8(truncatingIfNeeded: name >> 48)) }
    package static func index(of name: UInt64) -> Int { Int(name & 0xFFFF_FFFF_FFFF) }
    package static func direction(of name: UInt64) -> UInt64 { name >> 56 }

    /// The name of a payload that is whole. Nil when the bytes are not those of a message of that direction.
    package static func name(ofIntact bytes: [UInt8], direction: UInt64) -> UInt64? {
        guard let name = name(of: bytes), Payloads.direction(of: name) == direction, matches(bytes[...], name, from: 0) else { return nil }
        return name
    }

    /// Whether the bytes are those of the payload from `offset` on.
    package static func matches(_ bytes: ArraySlice<UInt8>, _ name: UInt64, from offset: Int) -> Bool {
        var position = offset
        for value in bytes {
            let expected = position < minimum ? UInt8(truncatingIfNeeded: name >> (UInt64(position) * 8)) : byte(name, position)
            if value != expected { return false }
            position += 1
        }
        return true
    }
}
