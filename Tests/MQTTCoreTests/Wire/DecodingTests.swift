// Every packet of a broker, against bytes written by hand from the standard.
import MQTTCore
import Testing

struct DecodingTests {
    static let control: [([UInt8], Decoded)] = [
        ([0x20, 2, 0, 0], .connack(sessionPresent: false, code: 0)), ([0x20, 2, 1, 0], .connack(sessionPresent: true, code: 0)),
        ([0x20, 2, 0, 1], .connack(sessionPresent: false, code: 1)), ([0x20, 2, 0, 5], .connack(sessionPresent: false, code: 5)),
        ([0x40, 2, 0x12, 0x34], .packet(.puback(0x1234))), ([0x50, 2, 0x12, 0x34], .packet(.pubrec(0x1234))),
        ([0x62, 2, 0x12, 0x34], .packet(.pubrel(0x1234))), ([0x70, 2, 0xFF, 0xFF], .packet(.pubcomp(0xFFFF))),
        ([0xB0, 2, 0, 1], .packet(.unsuback(1))), ([0xD0, 0], .packet(.pingresp)),
        // Figure 3.26: QoS 0, QoS 2 and failure for three filters.
        ([0x90, 5, 0, 10, 0, 2, 0x80], .suback(10, codes: [0, 2, 0x80])), ([0x90, 3, 0, 1, 1], .suback(1, codes: [1])),
    ]

    @Test(arguments: control) func controlPackets(bytes: [UInt8], packet: Decoded) throws {
        #expect(try decode(bytes) == packet)
        #expect(try decode(bytes + [0xFF, 0xFF]) == packet, "what follows is another packet")
        for count in 0..<bytes.count { #expect(try decode(Array(bytes.prefix(count))) == nil) }
    }

    /// Figure 3.11 as a broker sends it, with the payload "hi".
    @Test func publishOfFigure3_11() throws {
        let bytes: [UInt8] = [0x32, 9, 0x00, 0x03, 0x61, 0x2F, 0x62, 0x00, 0x0A, 0x68, 0x69]
        guard case .publish(let head, let topic, let payload) = try decode(bytes) else {
            Issue.record("not a PUBLISH")
            return
        }
        #expect(head.qos == .atLeastOnce && !head.retain && !head.isDuplicate && head.packetID == 10)
        #expect(head.topicOffset == 4 && head.topicLength == 3 && head.payloadOffset == 9 && head.payloadLength == 2 && !head.repeatsTopic)
        #expect(topic == [0x61, 0x2F, 0x62] && payload == [0x68, 0x69])
        for count in 0..<bytes.count { #expect(try decode(Array(bytes.prefix(count))) == nil) }
    }

    static let publishFlags: [(UInt8, QoS, retain: Bool, isDuplicate: Bool)] = [
        (0x30, .atMostOnce, false, false), (0x31, .atMostOnce, true, false), (0x32, .atLeastOnce, false, false),
        (0x33, .atLeastOnce, true, false), (0x3A, .atLeastOnce, false, true), (0x3B, .atLeastOnce, true, true),
        (0x34, .exactlyOnce, false, false), (0x35, .exactlyOnce, true, false), (0x3C, .exactlyOnce, false, true),
        (0x3D, .exactlyOnce, true, true),
    ]

    @Test(arguments: publishFlags) func publish(first: UInt8, qos: QoS, retain: Bool, isDuplicate: Bool) throws {
        let packetID: [UInt8] = qos == .atMostOnce ? [] : [0xAB, 0xCD]
        guard case .publish(let head, let topic, let payload) = try decode(publishBytes(first, [0x74], id: packetID, [1, 2, 3])) else {
            Issue.record("not a PUBLISH")
            return
        }
        #expect(head.qos == qos && head.retain == retain && head.isDuplicate == isDuplicate)
        #expect(head.packetID == (qos == .atMostOnce ? 0 : 0xABCD))
        #expect(topic == [0x74] && payload == [1, 2, 3])
    }

    @Test func publishHeadIsReadBeforeItsPayloadIsThere() throws {
        let bytes: [UInt8] = [0x34, 0xFF, 0xFF, 0xFF, 0x7F, 0x00, 0x01, 0x74, 0x00, 0x01]
        var decoder = PacketDecoder()
        let header = try #require(try decoder.header(bytes.span, at: 0))
        #expect(header.packetLength == 268_435_460)
        for count in header.length..<bytes.count {
            #expect(try decoder.publish(Array(bytes.prefix(count)).span, at: 0, header) == nil)
        }
        let head = try #require(try decoder.publish(bytes.span, at: 0, header))
        #expect(head.payloadOffset == 10 && head.payloadLength == 268_435_450)
    }

    @Test func packetsFollowOneAnotherAtAnyOffset() throws {
        let stream = [UInt8](repeating: 0xFF, count: 3) + DecodingTests.control.flatMap(\.0) + publishBytes(0x30, [0x74], [9])
        var decoder = PacketDecoder()
        var offset = 3
        for (_, packet) in DecodingTests.control {
            let (decoded, length) = try #require(try decoder.next(stream, at: offset))
            #expect(decoded == packet)
            offset += length
        }
        let (last, _) = try #require(try decoder.next(stream, at: offset))
        guard case .publish(_, let topic, let payload) = last else {
            Issue.record("not a PUBLISH")
            return
        }
        #expect(topic == [0x74] && payload == [9])
    }

    @Test func aRepeatedTopicIsToldAndADifferentOneIsChecked() throws {
        var decoder = PacketDecoder()
        var repeats: [Bool] = []
        for topic: [UInt8] in [[0x61], [0x61], [0x62], [0x61, 0x61], [0x61, 0x61], [0x61]] {
            guard case .publish(let head, let text, _)? = try decoder.next(publishBytes(0x30, topic))?.0 else { continue }
            #expect(text == topic)
            repeats.append(head.repeatsTopic)
        }
        #expect(repeats == [false, true, false, false, true, false])
        for bad: [UInt8] in [[0x2B], [0x00], [0xFF], [0x2B], []] {
            #expect(throws: ProtocolViolation.self) { try decoder.next(publishBytes(0x30, bad)) }
        }
        guard case .publish(let head, _, _)? = try decoder.next(publishBytes(0x30, [0x61]))?.0 else { return }
        #expect(head.repeatsTopic, "what was refused is not remembered")
    }

    // MARK: Remaining length

    static let lengths: [([UInt8], Int)] = [
        ([0x03], 3), ([0x7F], 127), ([0x80, 0x01], 128), ([0xFF, 0x7F], 16_383), ([0x80, 0x80, 0x01], 16_384),
        ([0xFF, 0xFF, 0x7F], 2_097_151), ([0x80, 0x80, 0x80, 0x01], 2_097_152), ([0xFF, 0xFF, 0xFF, 0x7F], 268_435_455),
        // 3.1.1 asks for no shortest form: that is a rule of 5.0.
        ([0x83, 0x80, 0x00], 3),
    ]

    @Test(arguments: lengths) func remainingLength(bytes: [UInt8], length: Int) throws {
        let packet = [0x30] + bytes
        let header = try #require(try FixedHeader.parse(packet.span, at: 0))
        #expect(header == FixedHeader(type: .publish, flags: 0, remainingLength: length, length: packet.count))
        for count in 0..<packet.count { #expect(try FixedHeader.parse(Array(packet.prefix(count)).span, at: 0) == nil) }
    }

    @Test(
        arguments: [
            [0xFF, 0xFF, 0xFF, 0xFF], [0x80, 0x80, 0x80, 0x80], [0x80, 0x80, 0x80, 0x80, 0x01], [0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
        ] as [[UInt8]])
    func remainingLengthOfFiveBytes(bytes: [UInt8]) {
        #expect(violation([0x30] + bytes) == .remainingLengthTooLong)
        #expect(violation([0xD0] + bytes) == .remainingLengthTooLong)
    }

    @Test func aPacketLargerThanTheLimitIsRefusedByItsHeader() throws {
        let head: [UInt8] = [0x30, 0x08, 0x00, 0x01, 0x74]
        #expect(try decode(head, maximumPacketSize: 10) == nil)
        #expect(throws: ProtocolViolation.packetTooLarge) { try decode(head, maximumPacketSize: 9) }
        #expect(throws: ProtocolViolation.packetTooLarge) { try decode([0x30, 0xFF, 0xFF, 0xFF, 0x7F], maximumPacketSize: 1_000) }
    }

    @Test func everyWrongRemainingLength() {
        for first: UInt8 in [0x20, 0x40, 0x50, 0x62, 0x70, 0xB0] {
            for length: UInt8 in 0...127 where length != 2 { #expect(violation([first, length]) == .remainingLength) }
            #expect(violation([first, 0x80, 0x01]) == .remainingLength)
        }
        for length: UInt8 in 1...127 { #expect(violation([0xD0, length]) == .remainingLength) }
        for length: UInt8 in 0...2 {
            #expect(violation([0x90, length]) == .remainingLength)
            #expect(violation([0x30, length]) == .remainingLength)
        }
        #expect(violation([0x90, 0x82, 0x80, 0x04]) == .remainingLength, "65,536 return codes and more are never asked for")
        #expect(violation([0x90, 0x81, 0x80, 0x04]) == nil)
    }

    @Test func publishWhoseTopicOrIdentifierDoesNotFit() {
        #expect(violation([0x30, 3, 0x00, 0x02, 0x61]) == .remainingLength)
        #expect(violation([0x30, 3, 0xFF, 0xFF, 0x61]) == .remainingLength)
        #expect(violation([0x32, 4, 0x00, 0x01, 0x61, 0x00]) == .remainingLength)
        #expect(violation([0x34, 3, 0x00, 0x01, 0x61]) == .remainingLength)
        #expect(violation([0x34, 5, 0x00, 0x01, 0x61, 0x00, 0x01]) == nil)
    }

    // MARK: Flags, types, values

    @Test func everyFirstByte() {
        let allowed: Set<UInt8> = [
            0x20, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x3A, 0x3B, 0x3C, 0x3D, 0x40, 0x50, 0x62, 0x70, 0x90, 0xB0, 0xD0,
        ]
        for first: UInt8 in 0...0xFF {
            // Each with a remaining length that suits its type, so that only the first byte can be wrong.
            let rest: [UInt8] =
                switch first >> 4 {
                case 3: [7, 0x00, 0x01, 0x74, 0x00, 0x01, 0x00, 0x00]
                case 9: [3, 0x00, 0x01, 0x00]
                case 13: [0]
                case 2: [2, 0, 0]
                default: [2, 0x00, 0x01]
                }
            let found = violation([first] + rest)
            switch first {
            case _ where allowed.contains(first): #expect(found == nil, "\(first)")
            case 0x36, 0x37, 0x3E, 0x3F: #expect(found == .reservedQoS)
            case 0x38, 0x39: #expect(found == .duplicateFlagOnAtMostOnce)
            case 0x00...0x0F, 0xF0...0xFF: #expect(found == .reservedPacketType)
            case 0x10...0x1F, 0x80...0x8F, 0xA0...0xAF, 0xC0...0xCF, 0xE0...0xEF: #expect(found == .packetTypeFromClient)
            default: #expect(found == .fixedHeaderFlags, "\(first)")
            }
        }
    }

    @Test func aReservedTypeIsRefusedByItsFirstByte() {
        #expect(violation([0x00]) == .reservedPacketType)
        #expect(violation([0xF0]) == .reservedPacketType)
    }

    @Test func everyConnack() {
        for flags: UInt8 in 0...0xFF {
            for code: UInt8 in 0...0xFF {
                let expected: ProtocolViolation? =
                    flags > 1 ? .connackFlags : code > 5 ? .connackReturnCode : flags == 1 && code > 0 ? .sessionPresentOnRefusal : nil
                #expect(violation([0x20, 2, flags, code]) == expected)
            }
        }
    }

    @Test func everySubackCode() {
        for code: UInt8 in 0...0xFF {
            let expected: ProtocolViolation? = code <= 2 || code == 0x80 ? nil : .subackReturnCode
            #expect(violation([0x90, 3, 0, 1, code]) == expected)
            #expect(violation([0x90, 5, 0, 1, 0, code, 2]) == expected)
        }
    }

    @Test(
        arguments: [
            [0x40, 2, 0, 0], [0x50, 2, 0, 0], [0x62, 2, 0, 0], [0x70, 2, 0, 0], [0xB0, 2, 0, 0], [0x90, 3, 0, 0, 0],
            [0x32, 5, 0, 1, 0x74, 0, 0], [0x34, 5, 0, 1, 0x74, 0, 0],
        ] as [[UInt8]])
    func packetIdentifierZero(bytes: [UInt8]) {
        #expect(violation(bytes) == .packetIdentifierZero)
    }

    @Test func everyViolationHasWordsOfItsOwnAndACitation() {
        #expect(Set(ProtocolViolation.allCases.map(\.message)).count == ProtocolViolation.allCases.count)
        for violation in ProtocolViolation.allCases { #expect(violation.citation.hasPrefix("MQTT")) }
    }
}
