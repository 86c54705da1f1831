import MQTT
import NIOCore

/// The payload of a message, whole: in memory when it is small, else in a file without a name. It can be read again and again.
struct MessageBody {
    private enum Content {
        case memory(ByteBufferView)
        case spool(Spool)
    }

    private let content: Content
    let count: Int

    /// What is kept in memory of a payload that is streamed.
    private static let memoryLimit = 1 << 20
    /// Divides by three, so that pieces in base64 fit each other.
    private static let chunkLength = 3 << 16

    /// Nil when the connection was lost within it: it was not received.
    init?(_ payload: Payload) async throws(SystemFile.Failure) {
        count = payload.count
        if let buffer = payload.buffer {
            content = .memory(buffer.readableBytesView)
            return
        }
        var spool = Spool(memoryLimit: Self.memoryLimit)
        var chunks = payload.chunks.makeAsyncIterator()
        while true {
            let chunk: ByteBuffer?
            do throws(MQTTError) {
                chunk = try await chunks.next()
            } catch {
                return nil
            }
            guard let chunk else { break }
            try spool.append(Array(chunk.readableBytesView))
        }
        content = .spool(spool)
    }

    /// Calls the closure with each piece, in order.
    func forEachChunk(_ body: ([UInt8]) async throws -> Void) async throws {
        switch content {
        case .memory(let bytes): try await body(Array(bytes))
        case .spool(let spool):
            var offset = 0
            while offset < count {
                let chunk = try spool.read(at: offset, count: Self.chunkLength)
                try await body(chunk)
                offset += chunk.count
            }
        }
    }

    /// Everything at once, for those who must see the whole.
    func whole() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        try await forEachChunk { bytes += $0 }
        return bytes
    }

    /// Whether the bytes are UTF-8.
    func isText() async throws -> Bool {
        // A character may be cut by the end of a chunk: what is left over goes ahead of the next.
        var rest: [UInt8] = []
        var isValid = true
        try await forEachChunk { chunk in
            guard isValid else { return }
            let bytes = rest + chunk
            let cut = Self.incompleteTail(bytes)
            rest = Array(bytes.suffix(cut))
            isValid = String(validating: bytes.dropLast(cut), as: UTF8.self) != nil
        }
        return isValid && rest.isEmpty
    }

    /// How many bytes at the end begin a character that is not complete.
    static func incompleteTail(_ bytes: [UInt8]) -> Int {
        for (index, byte) in bytes.suffix(3).reversed().enumerated() {
            let length: Int
            switch byte {
            case 0b1100_0000...0b1101_1111: length = 2
            case 0b1110_0000...0b1110_1111: length = 3
            case 0b1111_0000...0b1111_0111: length = 4
            case 0b1000_0000...0b1011_1111: continue
            default: return 0
            }
            return length > index + 1 ? index + 1 : 0
        }
        return 0
    }
}
