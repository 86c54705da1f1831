import NIOCore

@testable import MQTT
@testable import MQTTCore

/// What a stream of bytes says, however it is cut.
private struct Reading: Equatable {
    enum Item: Equatable {
        case packet(InboundPacket, codes: [UInt8])
        case publish(PublishHead, topic: String, payload: [UInt8], isWhole: Bool)
    }

    var items: [Item] = []
    var violation: ProtocolViolation?
    var isMidPacket = false
}

/// The same packets come out of a stream however it arrives, by the short ways as by the long one, and nothing comes out that the limits
/// forbid.
func fuzzDecoder(_ bytes: [UInt8]) {
    var input = Input(bytes)
    let limit = input.byte()
    let seed = input.byte()
    let stream = input.rest()
    let maximum = limit == 0 ? FixedHeader.maximumRemainingLength + 5 : 4 + Int(limit)
    let whole = read([stream], maximum)
    let cut = read(pieces(of: stream, seed: seed), maximum)
    require(whole == cut, "cut by \(seed) it reads \(cut), whole \(whole)")
    let short = read([stream], maximum, repeatsShortly: true)
    require(whole == short, "by the short way it reads \(short), else \(whole)")
    for item in whole.items {
        guard case .publish(let head, let topic, let payload, let isWhole) = item else { continue }
        require(head.topicLength == topic.utf8.count, "the topic has another length")
        require(isWhole == (payload.count == head.payloadLength), "the payload has another length")
        require(head.payloadOffset + head.payloadLength <= maximum, "the packet is larger than allowed")
        require((head.qos == .atMostOnce) == (head.packetID == 0), "an identifier and QoS do not agree")
        require((try? TopicName(topic)) != nil, "\(topic) is no topic name")
    }
}

/// - Parameter repeatsShortly: Whether messages that repeat a topic are asked for first, as the connection does it.
private func read(_ pieces: [[UInt8]], _ maximum: Int, repeatsShortly: Bool = false) -> Reading {
    var framer = PacketFramer(maximumPacketSize: maximum)
    var reading = Reading()
    for piece in pieces {
        let buffer = ByteBuffer(bytes: piece)
        var position = 0
        do throws(ProtocolViolation) {
            while true {
                while repeatsShortly, let head = framer.nextRepeated(buffer.readableBytesUInt8Span, &position) {
                    let offset = buffer.readerIndex + position - head.payloadLength
                    add(.publish(head, offset: offset, isInInput: true), framer, buffer, to: &reading)
                }
                guard let frame = try framer.next(buffer, buffer.readableBytesUInt8Span, &position) else { break }
                add(frame, framer, buffer, to: &reading)
            }
        } catch {
            reading.violation = error
            return reading
        }
        require(buffer.readableBytes == position, "\(buffer.readableBytes - position) bytes were neither used nor kept")
    }
    reading.isMidPacket = framer.isMidPacket
    return reading
}

private func add(_ frame: PacketFramer.Frame, _ framer: PacketFramer, _ input: ByteBuffer, to reading: inout Reading) {
    switch frame {
    case .packet(let packet): reading.items.append(.packet(packet, codes: []))
    case .suback(let packet): reading.items.append(.packet(packet, codes: framer.codes))
    case .publish(let head, let offset, let isInInput):
        // As the connection does it: the message is made of places in the buffer.
        var builder = ReceivedRunBuilder()
        builder.append(source: isInInput ? input : framer.packet, offset: offset, isInput: isInInput, topic: framer.lastTopic)
        builder.append(head, 0, offset: offset)
        for run in builder.finish() {
            let message = run.message(at: run.indices.lowerBound)
            let payload = message.payload.buffer.map { Array($0.readableBytesView) } ?? []
            reading.items.append(.publish(head, topic: message.topic, payload: payload, isWhole: true))
        }
    case .publishHead(let head):
        reading.items.append(.publish(head, topic: framer.lastTopic, payload: [], isWhole: false))
    case .chunk(let isLast):
        guard case .publish(let head, let topic, var payload, false) = reading.items.popLast() else {
            return require(false, "a chunk belongs to no message")
        }
        payload += Array(framer.chunk.readableBytesView)
        reading.items.append(.publish(head, topic: topic, payload: payload, isWhole: isLast))
    }
}
