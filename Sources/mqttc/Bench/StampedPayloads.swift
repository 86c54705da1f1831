import MQTT
import NIOCore

/// Payloads of one size, numbered so that who receives them can tell what is lost or came twice. Payloads below eight bytes have no
/// room for it.
///
/// They are slices of one buffer that is filled many at a time: a buffer for each would cost more than sending it.
struct StampedPayloads {
    private static let mark: UInt32 = 0x6d71_7462
    private static let stampLength = 8
    private static let slabLength = 64 << 10

    private let size: Int
    private let perSlab: Int
    private var slab = ByteBuffer()
    private var index = 0

    init(size: Int) {
        self.size = size
        perSlab = max(Self.slabLength / max(size, 1), 1)
    }

    /// Whether the payloads have room for a number.
    static func areNumbered(size: Int) -> Bool { size >= stampLength }

    mutating func next(_ number: Int) -> Payload {
        if size == 0 { return .empty }
        let isFresh = slab.readableBytes == 0 || index == perSlab
        if isFresh { fill(from: number) }
        defer { index += 1 }
        guard let slice = slab.getSlice(at: index * size, length: size) else { return .empty }
        return Payload(slice)
    }

    private mutating func fill(from number: Int) {
        index = 0
        slab = ByteBuffer()
        slab.writeRepeatingByte(UInt8(ascii: "x"), count: perSlab * size)
        guard Self.areNumbered(size: size) else { return }
        for offset in 0..<perSlab {
            slab.setInteger(Self.mark, at: offset * size)
            slab.setInteger(UInt32(truncatingIfNeeded: number + offset), at: offset * size + 4)
        }
    }

    /// Nil when the payload is none of ours.
    static func number(of buffer: ByteBuffer) -> Int? {
        guard let (mark, number) = buffer.peekMultipleIntegers(as: (UInt32, UInt32).self), mark == Self.mark else { return nil }
        return Int(number)
    }
}
