public import NIOCore

/// Bytes that can be read at any offset, as often as it takes: a message of QoS 1 or 2 may go out more than once.
public protocol PayloadSource: Sendable {
    /// The number of bytes. It must not change.
    var count: Int { get }

    /// Reads `count` bytes from `offset`, which are there. Another number, or an error, makes the payload unavailable:
    /// the connection in the middle of it is given up, and the message is withdrawn and reported.
    func read(at offset: Int, count: Int) async throws -> ByteBuffer
}

/// A source with the number of bytes that it had first: the packet's length is written ahead of them.
///
/// An object, so that payloads are small and cheap to copy: nearly all of them are in memory.
final class CountedSource: Sendable {
    /// Bytes that are read and written at a time.
    private static let chunkLength = 256 << 10

    private let source: any PayloadSource
    let count: Int

    init(_ source: any PayloadSource) {
        self.source = source
        count = source.count
    }

    func chunk(at offset: Int) async throws(MQTTError) -> ByteBuffer {
        let wanted = min(Self.chunkLength, count - offset)
        let chunk: ByteBuffer
        do {
            chunk = try await source.read(at: offset, count: wanted)
        } catch {
            throw MQTTError(.payloadUnavailable, .notSent, "the payload's source failed: \(error)")
        }
        guard chunk.readableBytes == wanted else {
            throw MQTTError(.payloadUnavailable, .notSent, "the payload's source gave \(chunk.readableBytes) bytes in place of \(wanted)")
        }
        return chunk
    }
}
