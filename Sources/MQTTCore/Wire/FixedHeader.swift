/// The control packet types of table 2.1.
package enum PacketType: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    case connect = 1
    case connack = 2
    case publish = 3
    case puback = 4
    case pubrec = 5
    case pubrel = 6
    case pubcomp = 7
    case subscribe = 8
    case suback = 9
    case unsubscribe = 10
    case unsuback = 11
    case pingreq = 12
    case pingresp = 13
    case disconnect = 14
    case auth = 15
}

/// The first two to five bytes of every packet: type, flags and remaining length (section 2.2).
package struct FixedHeader: Sendable, Equatable, BitwiseCopyable {
    package var type: PacketType
    /// The low four bits of the first byte.
    package var flags: UInt8
    package var remainingLength: Int
    /// Bytes that this header takes itself: 2 to 5.
    package var length: Int

    /// Bytes of the packet from first to last.
    package var packetLength: Int { length + remainingLength }

    package init(type: PacketType, flags: UInt8, remainingLength: Int, length: Int) {
        self.type = type
        self.flags = flags
        self.remainingLength = remainingLength
        self.length = length
    }

    /// The largest remaining length that four bytes can express: 268,435,455.
    package static let maximumRemainingLength = 268_435_455

    /// Reads the header that begins at `start`, or returns nil while it is not there in full.
    package static func parse(_ bytes: Span<UInt8>, at start: Int) throws(ProtocolViolation) -> FixedHeader? {
        let available = bytes.count - start
        guard available >= 1 else { return nil }
        let first = bytes[start]
        guard let type = PacketType(rawValue: first >> 4), type != .auth else { throw .reservedPacketType }
        var value = 0
        for index in 1...4 {
            guard available > index else { return nil }
            let byte = bytes[start + index]
            value |= Int(byte & 0x7F) << (7 * (index - 1))
            if byte & 0x80 == 0 {
                return FixedHeader(type: type, flags: first & 0x0F, remainingLength: value, length: index + 1)
            }
        }
        throw .remainingLengthTooLong
    }
}
