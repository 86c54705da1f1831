/// A short way for acknowledgements, of which there is one for each publish of QoS 1, and two for each of QoS 2.
extension PacketDecoder {
    /// The PUBACK, PUBREC, PUBREL or PUBCOMP at `start`, when all of it is there. Nil: it is none, or is to be looked at in full, by
    /// ``header(_:at:)`` and ``control(_:at:_:)``.
    ///
    /// Whatever comes of this comes of those two: what they refuse is not accepted here.
    package func acknowledgement(_ bytes: Span<UInt8>, at start: Int) -> InboundPacket? {
        // A fixed header of two bytes, and an identifier.
        guard bytes.count - start >= 4, maximumPacketSize >= 4, bytes[start + 1] == 2 else { return nil }
        let packetID = PacketID(bytes[start + 2]) << 8 | PacketID(bytes[start + 3])
        if packetID == 0 { return nil }
        switch bytes[start] {
        case 0x40: return .puback(packetID)
        case 0x50: return .pubrec(packetID)
        case 0x62: return .pubrel(packetID)
        case 0x70: return .pubcomp(packetID)
        default: return nil
        }
    }
}
