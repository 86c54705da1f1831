import MQTTCore

/// What a decoder made of bytes: the driver's loop over a read buffer, for tests.
enum Decoded: Equatable {
    case connack(sessionPresent: Bool, code: UInt8)
    case publish(PublishHead, topic: [UInt8], payload: [UInt8])
    case packet(InboundPacket)
    case suback(PacketID, codes: [UInt8])
}

extension PacketDecoder {
    /// The packet at `start` and its length. Nil while it is incomplete.
    ///
    /// Holds the short ways, of a repeated topic and of acknowledgements, against the long one.
    mutating func next(_ bytes: [UInt8], at start: Int = 0) throws(ProtocolViolation) -> (Decoded, length: Int)? {
        let repeated = repeatedPublish(bytes.span, at: start)
        let acknowledgement = acknowledgement(bytes.span, at: start)
        do throws(ProtocolViolation) {
            let packet = try nextInFull(bytes, at: start)
            if let repeated {
                let head: PublishHead? = if case .publish(let head, _, _) = packet?.0 { head } else { nil }
                precondition(head == repeated, "\(repeated) in place of \(String(describing: packet))")
            }
            if let acknowledgement {
                precondition(packet?.0 == .packet(acknowledgement), "\(acknowledgement) in place of \(String(describing: packet))")
                precondition(packet?.length == 4)
            }
            return packet
        } catch {
            precondition(repeated == nil && acknowledgement == nil, "accepted what is refused with \(error)")
            throw error
        }
    }

    private mutating func nextInFull(_ bytes: [UInt8], at start: Int) throws(ProtocolViolation) -> (Decoded, length: Int)? {
        guard let header = try header(bytes.span, at: start) else { return nil }
        if header.type == .publish {
            guard let head = try publish(bytes.span, at: start, header) else { return nil }
            guard start + header.packetLength <= bytes.count else { return nil }
            let payload = start + head.payloadOffset
            let topic = Array(bytes[start + head.topicOffset..<start + head.topicOffset + head.topicLength])
            return (.publish(head, topic: topic, payload: Array(bytes[payload..<payload + head.payloadLength])), header.packetLength)
        }
        guard start + header.packetLength <= bytes.count else { return nil }
        let packet = try control(bytes.span, at: start, header)
        switch packet {
        case .connack(let sessionPresent, let code):
            return (.connack(sessionPresent: sessionPresent, code: code.rawValue), header.packetLength)
        case .suback(let packetID, _):
            return (.suback(packetID, codes: Array(bytes[PacketDecoder.subackCodes(at: start, header)])), header.packetLength)
        default: return (.packet(packet), header.packetLength)
        }
    }
}

/// One whole packet, or nil while it is incomplete.
func decode(_ bytes: [UInt8], maximumPacketSize: Int = 1 << 28) throws(ProtocolViolation) -> Decoded? {
    var decoder = PacketDecoder(maximumPacketSize: maximumPacketSize)
    return try decoder.next(bytes)?.0
}

/// The violation of a packet, or nil when there is none.
func violation(_ bytes: [UInt8]) -> ProtocolViolation? {
    do throws(ProtocolViolation) {
        _ = try decode(bytes)
        return nil
    } catch {
        return error
    }
}

extension ControlPacket {
    var bytes: [UInt8] { [UInt8](packetOf: ControlPacket.maximumEncodedLength) { encode(into: &$0) } }
}

extension Connect {
    var bytes: [UInt8] { [UInt8](packetOf: encodedLength) { encode(into: &$0) } }
}

extension Subscribe {
    func bytes(_ packetID: PacketID) -> [UInt8] { [UInt8](packetOf: encodedLength) { encode(packetID: packetID, into: &$0) } }
}

extension Unsubscribe {
    func bytes(_ packetID: PacketID) -> [UInt8] { [UInt8](packetOf: encodedLength) { encode(packetID: packetID, into: &$0) } }
}

extension OutboundPublish {
    func head(_ packetID: PacketID = 0, isDuplicate: Bool = false) -> [UInt8] {
        [UInt8](packetOf: encodedLength) { encode(packetID: packetID, isDuplicate: isDuplicate, into: &$0) }
    }
}

/// A PUBLISH as a broker sends it, written without our own encoder. The remaining length takes one byte.
func publishBytes(_ first: UInt8, _ topic: [UInt8], id: [UInt8] = [], _ payload: [UInt8] = []) -> [UInt8] {
    [first, UInt8(2 + topic.count + id.count + payload.count), UInt8(topic.count >> 8), UInt8(topic.count & 0xFF)] + topic + id + payload
}
