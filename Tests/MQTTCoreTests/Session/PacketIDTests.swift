// The arithmetic between serial numbers and packet identifiers, around its wrap.
import MQTTCore
import Testing

struct PacketIDTests {
    private static let count = UInt64(PublishID.count)

    @Test func theRangesShareNothingAndCoverEverythingButZero() {
        #expect(RequestID.first == 1 && RequestID.last == 0x3FFF)
        #expect(PublishID.first == 0x4000 && Int(PublishID.first) + PublishID.count == 0x1_0000)
    }

    @Test func identifiersComeInOrderAndWrapToTheFirst() {
        #expect(PublishID.of(0) == 0x4000)
        #expect(PublishID.of(1) == 0x4001)
        #expect(PublishID.of(PacketIDTests.count - 1) == 0xFFFF)
        #expect(PublishID.of(PacketIDTests.count) == 0x4000)
        #expect(PublishID.of(.max) >= 0x4000)
    }

    static let bases: [UInt64] = [0, 1, count - 1, count, count + 1, 3 * count - 1, 1 << 32, (1 << 48) + 12_345]

    @Test(arguments: bases)
    func everyNumberOfAWindowIsFoundByItsIdentifier(base: UInt64) {
        for sequence in base..<base + PacketIDTests.count where PublishID.sequence(of: PublishID.of(sequence), from: base) != sequence {
            Issue.record("\(sequence) from \(base)")
        }
    }

    @Test func identifiersOfRequestsAreNoPublishes() {
        for packetID in 0...RequestID.last where PublishID.sequence(of: packetID, from: 77) != nil { Issue.record("\(packetID)") }
    }

    @Test func requestIdentifiersGoAroundTheirRange() {
        #expect(RequestID.after(0) == 1)
        #expect(RequestID.after(1) == 2)
        #expect(RequestID.after(0x3FFE) == 0x3FFF)
        #expect(RequestID.after(0x3FFF) == 1)
        #expect(RequestID.after(0xFFFF) == 1)
    }
}
