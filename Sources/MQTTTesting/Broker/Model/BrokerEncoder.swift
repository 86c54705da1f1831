/// The encoder of the broker: appends what a server sends. The level of the protocol becomes an argument with 5.0.
enum BrokerEncoder {
    static func connack(sessionPresent: Bool, code: UInt8, into out: inout [UInt8]) {
        out.append(0x20)
        out.append(2)
        out.append(sessionPresent ? 1 : 0)
        out.append(code)
    }

    /// PUBACK 40, PUBREC 50, PUBREL 62, PUBCOMP 70, UNSUBACK B0: `first` and an identifier.
    static func acknowledgement(_ first: UInt8, _ packetID: UInt16, into out: inout [UInt8]) {
        out.append(first)
        out.append(2)
        out.append(UInt8(packetID >> 8))
        out.append(UInt8(packetID & 0xFF))
    }

    static func suback(_ packetID: UInt16, _ codes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = [0x90]
        remainingLength(2 + codes.count, into: &out)
        out.append(UInt8(packetID >> 8))
        out.append(UInt8(packetID & 0xFF))
        out.append(contentsOf: codes)
        return out
    }

    /// A PUBLISH up to its payload.
    static func publishHead(
        _ message: BrokerMessage, qos: UInt8, retain: Bool, isDuplicate: Bool, packetID: UInt16, into out: inout [UInt8]
    ) {
        // [MQTT-3.3.1-2] QoS 0 has no DUP.
        let duplicate: UInt8 = isDuplicate && qos > 0 ? 8 : 0
        out.append(0x30 | duplicate | qos << 1 | (retain ? 1 : 0))
        remainingLength(2 + message.topic.count + (qos > 0 ? 2 : 0) + message.payload.count, into: &out)
        out.append(UInt8(message.topic.count >> 8))
        out.append(UInt8(message.topic.count & 0xFF))
        out.append(contentsOf: message.topic)
        if qos > 0 {
            out.append(UInt8(packetID >> 8))
            out.append(UInt8(packetID & 0xFF))
        }
    }

    /// The upper bound of all that precedes a payload.
    static func headLimit(_ message: BrokerMessage) -> Int { 1 + 4 + 2 + message.topic.count + 2 }

    private static func remainingLength(_ length: Int, into out: inout [UInt8]) {
        var rest = length
        while rest > 127 {
            out.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        out.append(UInt8(rest))
    }
}
