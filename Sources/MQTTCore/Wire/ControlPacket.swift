/// The packets of a client that are a number at most. They are what the session can send without knowing any text.
package enum ControlPacket: Sendable, Equatable, BitwiseCopyable {
    case puback(PacketID)
    case pubrec(PacketID)
    case pubrel(PacketID)
    case pubcomp(PacketID)
    case pingreq
    case disconnect

    /// No control packet is longer.
    package static let maximumEncodedLength = 4

    package func encode(into writer: inout PacketWriter) {
        switch self {
        case .puback(let packetID): acknowledgement(0x40, packetID, into: &writer)
        case .pubrec(let packetID): acknowledgement(0x50, packetID, into: &writer)
        case .pubrel(let packetID): acknowledgement(0x62, packetID, into: &writer)  // [MQTT-3.6.1-1]
        case .pubcomp(let packetID): acknowledgement(0x70, packetID, into: &writer)
        case .pingreq: empty(0xC0, into: &writer)
        case .disconnect: empty(0xE0, into: &writer)  // [MQTT-3.14.1-1]
        }
    }

    private func acknowledgement(_ first: UInt8, _ packetID: PacketID, into writer: inout PacketWriter) {
        writer.byte(first)
        writer.byte(2)
        writer.integer(packetID)
    }

    private func empty(_ first: UInt8, into writer: inout PacketWriter) {
        writer.byte(first)
        writer.byte(0)
    }
}
