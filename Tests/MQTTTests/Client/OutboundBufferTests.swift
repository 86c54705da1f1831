import MQTTCore
import NIOCore
import Testing

@testable import MQTT

/// What waits for the channel: the bytes that it hands out, and the memory that it keeps.
struct OutboundBufferTests {
    /// Slices go out while their blocks are written on, and blocks are used again while somebody still has slices of them.
    @Test(arguments: 0..<200 as Range<UInt64>) func whatIsTakenStaysAsItWas(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var outbound = OutboundBuffer()
        var expected: [UInt8] = []
        var taken: [ByteBuffer] = []
        var unwritten: [[OutboundBuffer.Segment]] = []
        for number in 0..<400 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0: expected += outbound.appendPublish(number, count: Int.random(in: 2_049...70_000, using: &random))
            case 1..<6: expected += outbound.appendPublish(number, count: Int.random(in: 0...2_048, using: &random))
            case 6:
                outbound.append(.puback(7))
                expected += [0x40, 2, 0, 7]
            case 7, 8:
                let segments = outbound.take(upTo: 256 << 10)
                taken += segments.compactMap(\.bytes)
                if !segments.isEmpty { unwritten.append(segments) }
            default: if !unwritten.isEmpty { outbound.finish(unwritten.removeFirst()) }
            }
        }
        while !outbound.isEmpty { taken += outbound.take(upTo: 256 << 10).compactMap(\.bytes) }
        #expect(outbound.bufferedBytes == 0)
        #expect(taken.flatMap { Array($0.readableBytesView) } == expected)
    }

    @Test func aConnectionWithLittleToSayKeepsASmallBlock() {
        var outbound = OutboundBuffer()
        for _ in 0..<10_000 {
            outbound.append(.pingreq)
            let segments = outbound.take(upTo: 1_000)
            #expect(segments.first?.bytes?.storageCapacity ?? 0 <= 128)
            outbound.finish(segments)
        }
    }

    @Test func theMemoryOfABusyConnectionIsBounded() {
        var outbound = OutboundBuffer()
        for round in 0..<20 {
            for number in 0..<2_000 { _ = outbound.appendPublish(number, count: 500) }
            while !outbound.isEmpty {
                let segments = outbound.take(upTo: 256 << 10)
                for segment in segments where round > 0 { #expect(segment.bytes?.storageCapacity ?? 0 <= 128 << 10) }
                outbound.finish(segments)
            }
            #expect(outbound.keptBytes <= 5 * 128 << 10)
        }
        outbound.shrink()
        #expect(outbound.keptBytes == 0)
    }

    /// A packet that is larger than a block has one of its own, which goes when it is written.
    @Test func aLargePacketLeavesNoMemoryBehind() {
        var outbound = OutboundBuffer()
        outbound.append(length: 4 << 20) { writer in for _ in 0..<4 << 20 { writer.byte(1) } }
        let segments = outbound.take(upTo: 1_000)
        #expect(segments.map { $0.bytes?.readableBytes } == [4 << 20])
        outbound.finish(segments)
        #expect(outbound.keptBytes == 0)
    }
}

extension OutboundBuffer {
    /// Appends a publish whose bytes tell which one it is. Returns the packet.
    fileprivate mutating func appendPublish(_ number: Int, count: Int) -> [UInt8] {
        let topic = number % 2 == 0 ? "a" : "a/topic/of/many/levels"
        let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: count)
        let head = OutboundPublish(topic: topic, qos: .atLeastOnce, retain: false, payloadLength: count)
        let flags = PublishFlags(qos: .atLeastOnce, retain: false)
        let isShort = number % 3 == 0 && Payload(bytes: bytes).append(to: EncodedTopic(topic), flags, 300, &self)
        if !isShort { append(head, Payload(bytes: bytes), packetID: 300, isDuplicate: false, serial: nil) }
        return [UInt8](packetOf: head.encodedLength) { writer in head.encode(packetID: 300, isDuplicate: false, into: &writer) } + bytes
    }

    /// As the connection does it when the channel took all of a batch.
    fileprivate mutating func finish(_ segments: [Segment]) {
        reuse(segments.compactMap { if case .lastPackets(let bytes) = $0 { bytes } else { nil } })
        wrote(segments.reduce(0) { $0 + ($1.bytes?.readableBytes ?? 0) })
    }
}
