// No bytes of a broker trap, whatever they are and wherever they are cut.
import MQTTCore
import Testing

struct FuzzTests {
    private static let seeds: [[UInt8]] = [
        [0x20, 2, 0, 0], [0x40, 2, 0x40, 0x00], [0x50, 2, 0x40, 0x00], [0x62, 2, 0, 7], [0x70, 2, 0x40, 0x00], [0xB0, 2, 0, 1],
        [0xD0, 0], [0x90, 5, 0, 1, 0, 2, 0x80], publishBytes(0x30, [0x74], [1, 2, 3]), publishBytes(0x3D, [0x61, 0x2F, 0x62], id: [0, 7]),
        publishBytes(0x32, [0xF0, 0xAA, 0x9B, 0x94], id: [0, 9], [0]),
    ]

    /// All packets of a stream, up to its end or its first violation.
    private func drain(_ bytes: [UInt8], _ decoder: inout PacketDecoder) -> [Decoded] {
        var packets: [Decoded] = []
        var offset = 0
        do throws(ProtocolViolation) {
            while let (packet, length) = try decoder.next(bytes, at: offset) {
                packets.append(packet)
                offset += length
            }
        } catch {
            return packets
        }
        return packets
    }

    @Test func randomBytes() {
        var random = SeededGenerator(seed: 311)
        var decoder = PacketDecoder()
        var found = 0
        for _ in 0..<100_000 {
            let count = Int.random(in: 0...48, using: &random)
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            found += drain(bytes, &decoder).count
        }
        #expect(found > 0, "a fuzz that never decodes anything tests little")
    }

    @Test func packetsWithRandomFlaws() {
        var random = SeededGenerator(seed: 312)
        var decoder = PacketDecoder()
        var found = 0
        for _ in 0..<100_000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes += FuzzTests.seeds[Int.random(in: 0..<FuzzTests.seeds.count, using: &random)]
            }
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            bytes.removeLast(Int.random(in: 0...bytes.count, using: &random) / 4)
            found += drain(bytes, &decoder).count
        }
        #expect(found > 50_000)
    }

    /// The short way for a topic that repeats says what the long one says, or nothing: each decoding of these tests holds them
    /// against one another. Here most packets repeat their topic, with flaws in their heads.
    @Test func repeatedTopicsWithRandomFlaws() {
        var random = SeededGenerator(seed: 313)
        var taken = 0
        for _ in 0..<50_000 {
            let topic: [UInt8] = Array("bench/topic/of/many".utf8.prefix(Int.random(in: 1...19, using: &random)))
            var decoder = PacketDecoder(maximumPacketSize: Bool.random(using: &random) ? 40 : 1 << 28)
            var bytes: [UInt8] = []
            for _ in 0..<3 {
                let qos = UInt8.random(in: 0...2, using: &random)
                let payload = [UInt8](repeating: 0x41, count: Int.random(in: 0...30, using: &random))
                bytes += publishBytes(0x30 | qos << 1, topic, id: qos == 0 ? [] : [0, UInt8.random(in: 0...3, using: &random)], payload)
            }
            if Bool.random(using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            bytes.removeLast(Int.random(in: 0...2, using: &random))
            for case .publish(let head, _, _) in drain(bytes, &decoder) where head.repeatsTopic { taken += 1 }
        }
        #expect(taken > 30_000)
    }

    /// A remaining length of two bytes, of too many, and of one that is longer than it needs to be.
    @Test(arguments: [(200, false), (16_383, false), (16_384, false), (20, true)])
    func repeatedTopicsOfAnyLength(remainingLength: Int, isPadded: Bool) throws {
        var length: [UInt8] = isPadded ? [UInt8(remainingLength) | 0x80, 0] : []
        if !isPadded {
            var rest = remainingLength
            repeat {
                length.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
                rest >>= 7
            } while rest > 0
        }
        let packet = [0x30] + length + [0, 1, 0x74] + [UInt8](repeating: 0, count: remainingLength - 3)
        var decoder = PacketDecoder()
        _ = try decoder.next(packet)
        let repeated = decoder.repeatedPublish(packet.span, at: 0)
        #expect((repeated != nil) == (length.count < 3))
        #expect(repeated.map { $0.payloadOffset + $0.payloadLength } ?? packet.count == packet.count)
        #expect(try decoder.next(packet) != nil)
    }

    @Test func everyTruncationOfEveryPacketIsIncomplete() throws {
        for seed in FuzzTests.seeds {
            for count in 0..<seed.count { #expect(try decode(Array(seed.prefix(count))) == nil) }
            #expect(try decode(seed) != nil)
        }
    }

    /// What goes in byte by byte comes out like what goes in whole.
    @Test func anyCutOfAStreamGivesTheSamePackets() {
        let stream = FuzzTests.seeds.flatMap { $0 }
        var decoder = PacketDecoder()
        let whole = drain(stream, &decoder)
        #expect(whole.count == FuzzTests.seeds.count)
        for cut in 0...stream.count {
            var decoder = PacketDecoder()
            var packets = drain(Array(stream.prefix(cut)), &decoder)
            let used = FuzzTests.seeds.prefix(packets.count).reduce(0) { $0 + $1.count }
            packets += drain(Array(stream.dropFirst(used)), &decoder)
            #expect(packets.count == whole.count)
        }
    }

    /// Any order of any events: the session never traps, and every ticket is resolved at most once.
    @Test(arguments: 0..<20 as Range<UInt64>) func randomEvents(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var it = Scenario(seed: seed) {
            $0.isDurable = seed % 2 == 1
            $0.limits.inFlight = 5
        }
        var tickets: Set<Ticket> = []
        var resolved: Set<Ticket> = []
        var completed: Set<Serial> = []
        for step in 1...10_000 as ClosedRange<Ticket> {
            let event = FuzzTests.event(step, &random)
            switch event {
            case .subscribe(let ticket, _), .unsubscribe(let ticket), .ping(let ticket): tickets.insert(ticket)
            default: break
            }
            for effect in it.on(event) + it.advance(by: .milliseconds(Int.random(in: 0...40, using: &random))) {
                switch effect {
                case .resolved(let ticket, _): #expect(resolved.insert(ticket).inserted)
                case .completed(let serial, _): #expect(completed.insert(serial).inserted)
                default: break
                }
            }
        }
        for case .resolved(let ticket, _) in it.on(.close) { #expect(resolved.insert(ticket).inserted) }
        #expect(resolved == tickets)
    }

    private static func event(_ step: Ticket, _ random: inout SeededGenerator) -> Event {
        let qos = QoS.allCases[Int.random(in: 0...2, using: &random)]
        let number = UInt64.random(in: 0...30, using: &random)
        let packetID = Bool.random(using: &random) ? PacketID(number) + 1 : PublishID.of(number + step / 100)
        let link = Link(truncatingIfNeeded: step / 50 + number % 3)
        switch Int.random(in: 0..<28, using: &random) {
        case 0: return .start
        case 1, 2, 3: return .publish(qos: qos, queuedBytes: Int(number))
        case 4: return .withdraw(number + step / 100)
        case 5: return .subscribe(step, filters: Int(number) % 3 + 1)
        case 6: return .unsubscribe(step)
        case 7: return .ping(step)
        case 8: return .cancel(step - min(step, number))
        case 9, 10: return .release(number + step / 20)
        case 11: return .linkClosed(link)
        case 12, 13, 14: return .linkOpened(link)
        case 15, 16: return .packet(.connack(sessionPresent: number % 2 == 0, ReasonCode(rawValue: number == 0 ? 5 : 0)))
        case 17, 18:
            return .packet(.publish(InboundPublish(qos: qos, packetID: qos == .atMostOnce ? 0 : packetID, isComplete: number % 4 > 0)))
        case 19: return .packet(.puback(packetID))
        case 20: return .packet(.pubrec(packetID))
        case 21: return .packet(.pubrel(packetID))
        case 22: return .packet(.pubcomp(packetID))
        case 23: return .packet(number % 2 == 0 ? .suback(packetID, codes: 1) : .unsuback(packetID))
        case 24: return number == 0 ? .violation(.malformedText) : .packet(.pingresp)
        case 25: return .payloadCompleted
        case 26: return .stored(upTo: step / 2 + number)
        default: return number % 3 == 0 ? .reading(number % 2 == 0) : number % 3 == 1 ? .written(pending: Int(number % 2)) : .tick
        }
    }
}
