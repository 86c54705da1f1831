import MQTT
import NIOCore

/// The line for a received message.
enum MessageEvent {
    /// Up to this size a message must come whole; beyond, one that is a stream is not gathered.
    private static let wholeLimit = 65_536
    /// Beyond this size even a message that is in memory comes as its digest.
    private static let inlineLimit = 1_048_576

    /// Reads a streamed payload to its end.
    /// - Throws: when the connection is lost within the payload. Then the message was not received.
    static func line(for message: Message) async throws(MQTTError) -> [UInt8] {
        if let buffer = message.payload.buffer {
            if buffer.readableBytes <= inlineLimit { return line(for: message, buffer) }
        } else if message.payload.count <= wholeLimit {
            return line(for: message, try await message.payload.collect(upTo: wholeLimit))
        }
        var digest = SHA256()
        for try await chunk in message.payload.chunks {
            digest.update(chunk.readableBytesUInt8Span)
        }
        var line = JSONLine(capacity: 256)
        line.add("event", "bigMessage")
        line.add("topic", message.topic)
        line.add("size", message.payload.count)
        line.add("sha256", digest.finish())
        return finish(line, message)
    }

    private static func line(for message: Message, _ payload: ByteBuffer) -> [UInt8] {
        var line = JSONLine(capacity: 128 + message.topic.utf8.count + payload.readableBytes * 4 / 3)
        line.add("event", "message")
        line.add("topic", message.topic)
        line.add("payloadBase64", base64: payload.readableBytesView)
        return finish(line, message)
    }

    private static func finish(_ begun: consuming JSONLine, _ message: Message) -> [UInt8] {
        var line = begun
        line.add("qos", message.qos.rawValue)
        line.add("retain", message.retain)
        line.add("dup", message.isDuplicate)
        return line.finish()
    }
}
