/// Packet identifiers of publishes: a pure function of the publish's sequence number, in a range of their own.
///
/// So a restart needs no record of which message had which identifier, and an acknowledgement finds its message by arithmetic.
/// An identifier in use is never issued again: a publish waits while the one that is `count` before it is incomplete
/// [MQTT-2.3.1-2].
package enum PublishID {
    package static let first: PacketID = 0x4000
    package static let count = 0xC000

    package static func of(_ sequence: UInt64) -> PacketID {
        first + PacketID(truncatingIfNeeded: sequence % UInt64(count))
    }

    /// The sequence number that has `packetID` within the `count` numbers from `base`. Nil for an identifier of a request.
    package static func sequence(of packetID: PacketID, from base: UInt64) -> UInt64? {
        guard packetID >= first else { return nil }
        let wanted = UInt64(packetID - first)
        let offset = base % UInt64(count)
        return base + (wanted >= offset ? wanted - offset : wanted + UInt64(count) - offset)
    }
}

/// Packet identifiers of SUBSCRIBE and UNSUBSCRIBE: the range below those of publishes.
package enum RequestID {
    package static let first: PacketID = 1
    package static let last: PacketID = PublishID.first - 1

    package static func after(_ packetID: PacketID) -> PacketID { packetID >= last ? first : packetID + 1 }
}
