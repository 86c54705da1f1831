// Every packet of a client, against bytes written by hand from the standard.
import MQTTCore
import Testing

struct EncodingTests {
    /// Figures 3.2 to 3.6: name, level, flags 1100 1110 and keep-alive 10 of the non-normative example, and a payload that fits it.
    @Test func connectOfFigure3_6() {
        let connect = Connect(
            clientID: "c", cleanSession: true, keepAliveSeconds: 10,
            will: Connect.Will(topic: "w", payload: [0xAA, 0xBB], qos: .atLeastOnce, retain: false), username: "u", password: [0x70, 0x00])
        #expect(
            connect.bytes == [
                0x10, 27,
                0x00, 0x04, 0x4D, 0x51, 0x54, 0x54,  // MQTT
                0x04,  // level
                0b1100_1110,  // user name, password, will QoS 1, will, clean session
                0x00, 0x0A,  // keep alive
                0x00, 0x01, 0x63, 0x00, 0x01, 0x77, 0x00, 0x02, 0xAA, 0xBB, 0x00, 0x01, 0x75, 0x00, 0x02, 0x70, 0x00,
            ])
    }

    @Test func connectWithNothing() {
        let connect = Connect(clientID: "", cleanSession: true, keepAliveSeconds: 0)
        #expect(connect.bytes == [0x10, 12, 0, 4, 0x4D, 0x51, 0x54, 0x54, 4, 0b0000_0010, 0, 0, 0, 0])
    }

    static let flags: [(Connect, UInt8)] = [
        (Connect(clientID: "a", cleanSession: false, keepAliveSeconds: 1), 0b0000_0000),
        (Connect(clientID: "a", cleanSession: false, keepAliveSeconds: 1, username: ""), 0b1000_0000),
        (Connect(clientID: "a", cleanSession: true, keepAliveSeconds: 1, username: "", password: []), 0b1100_0010),
        (will(.atMostOnce, retain: false), 0b0000_0100),
        (will(.atMostOnce, retain: true), 0b0010_0100),
        (will(.atLeastOnce, retain: false), 0b0000_1100),
        (will(.exactlyOnce, retain: false), 0b0001_0100),
        (will(.exactlyOnce, retain: true), 0b0011_0100),
    ]

    static func will(_ qos: QoS, retain: Bool) -> Connect {
        let will = Connect.Will(topic: "t", payload: [], qos: qos, retain: retain)
        return Connect(clientID: "a", cleanSession: false, keepAliveSeconds: 1, will: will)
    }

    @Test(arguments: flags) func connectFlags(connect: Connect, flags: UInt8) {
        #expect(connect.bytes[9] == flags)
        #expect(Int(connect.bytes[1]) == connect.bytes.count - 2)
    }

    @Test func connectCountsBytesNotCharacters() {
        let connect = Connect(clientID: "𠜎é", cleanSession: true, keepAliveSeconds: 0)
        #expect(connect.bytes.suffix(8) == [0, 6, 0xF0, 0xA0, 0x9C, 0x8E, 0xC3, 0xA9])
    }

    @Test func connectAtItsLargest() throws {
        let long = String(repeating: "x", count: 65_535)
        let bytes = [UInt8](repeating: 7, count: 65_535)
        let connect = Connect(
            clientID: long, cleanSession: false, keepAliveSeconds: .max,
            will: Connect.Will(topic: long, payload: bytes, qos: .exactlyOnce, retain: true), username: long, password: bytes)
        try connect.check()
        // 10 + 5 * 65,537 = 327,695 = 0x0F + 0x00 * 128 + 0x14 * 16,384
        #expect(connect.bytes.prefix(4) == [0x10, 0x8F, 0x80, 0x14])
        #expect(connect.bytes.count == 4 + 327_695)
        #expect(connect.encodedLength == connect.bytes.count)
    }

    static let denied: [(Connect, String)] = [
        (Connect(clientID: "", cleanSession: false, keepAliveSeconds: 1), "MQTT-3.1.3-7"),
        (Connect(clientID: "a\0", cleanSession: false, keepAliveSeconds: 1), "MQTT-1.5.3-2"),
        (Connect(clientID: "a", cleanSession: false, keepAliveSeconds: 1, username: "\0"), "MQTT-1.5.3-2"),
        (Connect(clientID: "a", cleanSession: false, keepAliveSeconds: 1, password: [1]), "MQTT-3.1.2-22"),
        (willTopic(""), "MQTT-4.7.3-1"), (willTopic("a/#"), "MQTT-3.3.2-2"), (willTopic("+"), "MQTT-3.3.2-2"),
        (willTopic("a\0"), "MQTT-4.7.3-2"), (willTopic(String(repeating: "x", count: 65_536)), "MQTT-4.7.3-3"),
        (Connect(clientID: String(repeating: "x", count: 65_536), cleanSession: false, keepAliveSeconds: 1), "MQTT-1.5.3"),
        (Connect(clientID: "a", cleanSession: false, keepAliveSeconds: 1, username: String(repeating: "é", count: 32_768)), "MQTT-1.5.3"),
        (
            Connect(clientID: "a", cleanSession: false, keepAliveSeconds: 1, username: "", password: [UInt8](repeating: 0, count: 65_536)),
            "MQTT 3.1.1 section 3.1.3.5"
        ),
    ]

    static func willTopic(_ topic: String) -> Connect {
        let will = Connect.Will(topic: topic, payload: [], qos: .atMostOnce, retain: false)
        return Connect(clientID: "a", cleanSession: false, keepAliveSeconds: 1, will: will)
    }

    @Test(arguments: denied) func connectThatIsDenied(connect: Connect, citation: String) {
        let error = #expect(throws: MQTTError.self) { try connect.check() }
        #expect(error?.citation == citation)
        #expect(error?.fate == .denied)
    }

    @Test func willPayloadThatIsTooLong() {
        let will = Connect.Will(topic: "t", payload: [UInt8](repeating: 0, count: 65_536), qos: .atMostOnce, retain: false)
        #expect(throws: MQTTError.self) {
            try Connect(clientID: "a", cleanSession: false, keepAliveSeconds: 1, will: will).check()
        }
    }

    /// Figures 3.10 and 3.11: topic a/b, packet identifier 10.
    @Test func publishOfFigure3_11() {
        let publish = OutboundPublish(topic: "a/b", qos: .atLeastOnce, retain: false, payloadLength: 0)
        #expect(publish.head(10) == [0x32, 7, 0x00, 0x03, 0x61, 0x2F, 0x62, 0x00, 0x0A])
    }

    static let firstBytes: [(QoS, retain: Bool, isDuplicate: Bool, UInt8)] = [
        (.atMostOnce, false, false, 0x30), (.atMostOnce, true, false, 0x31), (.atMostOnce, false, true, 0x30),
        (.atMostOnce, true, true, 0x31), (.atLeastOnce, false, false, 0x32), (.atLeastOnce, true, false, 0x33),
        (.atLeastOnce, false, true, 0x3A), (.atLeastOnce, true, true, 0x3B), (.exactlyOnce, false, false, 0x34),
        (.exactlyOnce, true, false, 0x35), (.exactlyOnce, false, true, 0x3C), (.exactlyOnce, true, true, 0x3D),
    ]

    @Test(arguments: firstBytes) func publishFlags(qos: QoS, retain: Bool, isDuplicate: Bool, first: UInt8) {
        let head = OutboundPublish(topic: "t", qos: qos, retain: retain, payloadLength: 5).head(0xABCD, isDuplicate: isDuplicate)
        let packetID: [UInt8] = qos == .atMostOnce ? [] : [0xAB, 0xCD]
        #expect(head == [first, UInt8(8 + packetID.count), 0x00, 0x01, 0x74] + packetID)
    }

    /// Table 2.4, with the remaining length 3 + payload.
    static let lengths: [(Int, [UInt8])] = [
        (3, [0x03]), (127, [0x7F]), (128, [0x80, 0x01]), (16_383, [0xFF, 0x7F]), (16_384, [0x80, 0x80, 0x01]),
        (2_097_151, [0xFF, 0xFF, 0x7F]), (2_097_152, [0x80, 0x80, 0x80, 0x01]), (268_435_455, [0xFF, 0xFF, 0xFF, 0x7F]),
        (321, [0xC1, 0x02]),
    ]

    @Test(arguments: lengths) func publishRemainingLength(length: Int, bytes: [UInt8]) throws {
        let publish = OutboundPublish(topic: "t", qos: .atMostOnce, retain: false, payloadLength: length - 3)
        try publish.check()
        #expect(publish.head() == [0x30] + bytes + [0x00, 0x01, 0x74])
        #expect(publish.encodedLength == publish.head().count)
    }

    @Test func publishThatIsDenied() {
        for (topic, citation) in [("", "MQTT-4.7.3-1"), ("a/+", "MQTT-3.3.2-2"), ("#", "MQTT-3.3.2-2"), ("a\0b", "MQTT-4.7.3-2")] {
            let error = #expect(throws: MQTTError.self) {
                try OutboundPublish(topic: topic, qos: .atMostOnce, retain: false, payloadLength: 0).check()
            }
            #expect(error?.citation == citation)
        }
        for (qos, most) in [(QoS.atMostOnce, 268_435_452), (.atLeastOnce, 268_435_450), (.exactlyOnce, 268_435_450)] {
            #expect(throws: Never.self) { try OutboundPublish(topic: "t", qos: qos, retain: false, payloadLength: most).check() }
            #expect(throws: MQTTError.self) { try OutboundPublish(topic: "t", qos: qos, retain: false, payloadLength: most + 1).check() }
        }
    }

    @Test func publishOfTheLongestTopic() throws {
        let publish = OutboundPublish(
            topic: String(repeating: "é", count: 32_767) + "e", qos: .exactlyOnce, retain: false, payloadLength: 1)
        try publish.check()
        #expect(publish.head(1).prefix(6) == [0x34, 0x84, 0x80, 0x04, 0xFF, 0xFF])  // 65,540 = 4 + 0 * 128 + 4 * 16,384
    }

    /// Figures 3.20 to 3.23: a/b with QoS 1 and c/d with QoS 2 under packet identifier 10.
    @Test func subscribeOfFigure3_23() throws {
        let subscribe = Subscribe([Subscription("a/b", atMost: .atLeastOnce), Subscription("c/d", atMost: .exactlyOnce)])
        try subscribe.check()
        #expect(
            subscribe.bytes(10) == [
                0x82, 14, 0x00, 0x0A, 0x00, 0x03, 0x61, 0x2F, 0x62, 0x01, 0x00, 0x03, 0x63, 0x2F, 0x64, 0x02,
            ])
    }

    /// Figures 3.28 to 3.30: a/b and c/d under packet identifier 10.
    @Test func unsubscribeOfFigure3_30() throws {
        let unsubscribe = Unsubscribe(["a/b", "c/d"])
        try unsubscribe.check()
        #expect(unsubscribe.bytes(10) == [0xA2, 12, 0x00, 0x0A, 0x00, 0x03, 0x61, 0x2F, 0x62, 0x00, 0x03, 0x63, 0x2F, 0x64])
    }

    @Test func requestsWithoutFiltersOrWithTooMany() throws {
        #expect(throws: MQTTError.self) { try Subscribe([]).check() }
        #expect(throws: MQTTError.self) { try Unsubscribe([]).check() }
        try Subscribe([Subscription](repeating: Subscription("a"), count: 65_535)).check()
        #expect(throws: MQTTError.self) { try Subscribe([Subscription](repeating: Subscription("a"), count: 65_536)).check() }
        #expect(throws: MQTTError.self) { try Unsubscribe([String](repeating: "a", count: 65_536)).check() }
        let long = String(repeating: "x", count: 65_535)
        // 4,096 filters of 65,537 bytes each are more than a remaining length can tell.
        #expect(Unsubscribe([String](repeating: long, count: 4_095)).remainingLength <= 268_435_455)
        #expect(throws: MQTTError.self) { try Unsubscribe([String](repeating: long, count: 4_096)).check() }
        #expect(throws: MQTTError.self) { try Subscribe([Subscription](repeating: Subscription(long), count: 4_096)).check() }
    }

    @Test func requestsOfManyFiltersHaveALongerLength() {
        let subscribe = Subscribe([Subscription](repeating: Subscription("a", atMost: .atMostOnce), count: 40))
        #expect(subscribe.bytes(0x0102).prefix(9) == [0x82, 0xA2, 0x01, 0x01, 0x02, 0x00, 0x01, 0x61, 0x00])  // 2 + 40 * 4 = 162
        #expect(subscribe.bytes(1).count == 3 + 162)
    }

    @Test func acknowledgements() {
        #expect(ControlPacket.puback(0x1234).bytes == [0x40, 0x02, 0x12, 0x34])
        #expect(ControlPacket.pubrec(0x1234).bytes == [0x50, 0x02, 0x12, 0x34])
        #expect(ControlPacket.pubrel(0x1234).bytes == [0x62, 0x02, 0x12, 0x34])
        #expect(ControlPacket.pubcomp(0xFFFF).bytes == [0x70, 0x02, 0xFF, 0xFF])
        #expect(ControlPacket.pingreq.bytes == [0xC0, 0x00])
        #expect(ControlPacket.disconnect.bytes == [0xE0, 0x00])
    }
}
