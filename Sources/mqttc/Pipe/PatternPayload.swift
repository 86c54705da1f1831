import MQTT
import NIOCore

/// A payload of any size without memory for it: byte number i is i modulo 251.
struct PatternPayload: PayloadSource {
    private static let period = 251
    /// Up to this size the bytes are simply made.
    private static let inMemoryLimit = 65_536

    let count: Int

    static func payload(count: Int) -> Payload {
        count > inMemoryLimit
            ? Payload(source: PatternPayload(count: count)) : Payload(bytes: PatternPayload(count: count).bytes(at: 0, count: count))
    }

    func read(at offset: Int, count: Int) async -> ByteBuffer {
        ByteBuffer(bytes: bytes(at: offset, count: count))
    }

    func bytes(at offset: Int, count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        var value = offset % Self.period
        for _ in 0..<count {
            bytes.append(UInt8(value))
            value = value == Self.period - 1 ? 0 : value + 1
        }
        return bytes
    }
}
