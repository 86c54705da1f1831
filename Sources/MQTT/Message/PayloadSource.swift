public import NIOCore

/// Bytes that can be read at any offset, as often as it takes: a message of QoS 1 or 2 may go out more than once.
public protocol PayloadSource: Sendable {
    /// The number of bytes. It must not change.
    var count: Int { get }

    /// Reads `count` bytes from `offset`, which are there. Another number, or an error, makes the payload unavailable:
    /// the connection in the middle of it is given up, and the message is withdrawn and reported.
    func read(at offset: Int, count: Int) async throws -> ByteBuffer
}

extension PayloadSource {
    /// Bytes that are read and written at a time.
    static var chunkLength: Int { 256 << 10 }

    func chunk(at offset: Int) async throws(MQTTError) -> ByteBuffer {
        let wanted = min(Self.chunkLength, count - offset)
        let chunk: ByteBuffer
        do {
            chunk = try await read(at: offset, count: wanted)
        } catch {
            throw MQTTError(.payloadUnavailable, .notSent, "the payload's source failed: \(error)")
        }
        guard chunk.readableBytes == wanted else {
            throw MQTTError(.payloadUnavailable, .notSent, "the payload's source gave \(chunk.readableBytes) bytes in place of \(wanted)")
        }
        return chunk
    }
}
