// Chapters 1 and 2: strings, fixed header, packet identifiers.
import MQTTCore
import MQTTTesting
import Testing

@Suite("Packet format") struct PacketFormatTests {
    private static func publish(topic: [UInt8]) -> [UInt8] { [0x30, UInt8(2 + topic.count), 0, UInt8(topic.count)] + topic }

    @Test(
        "MQTT-1.5.3-1: ill-formed UTF-8 ends the connection",
        arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xE2, 0x82]] as [[UInt8]])
    func illFormedText(topic: [UInt8]) {
        var client = WireClient.online()
        client.receive(PacketFormatTests.publish(topic: topic))
        #expect(client.hangsUp && client.violation == .malformedText)
        #expect(client.delivered.isEmpty)
    }

    @Test("MQTT-1.5.3-2: U+0000 ends the connection, and is never sent") func nullCharacter() {
        var client = WireClient.online()
        #expect(throws: MQTTError.self) { try client.publish("a\0", .atMostOnce) }
        #expect(throws: MQTTError.self) { try client.subscribe(Subscription("\0")) }
        #expect(throws: MQTTError.self) { try Connect(clientID: "\0", cleanSession: true, keepAliveSeconds: 0).check() }
        #expect(client.takeSent() == [])
        client.receive(PacketFormatTests.publish(topic: [0x61, 0x00]))
        #expect(client.hangsUp && client.violation == .nullCharacter)
    }

    @Test("MQTT-1.5.3-3: EF BB BF is U+FEFF anywhere, and kept") func byteOrderMark() throws {
        var client = WireClient.online()
        client.receive(PacketFormatTests.publish(topic: [0xEF, 0xBB, 0xBF, 0x61, 0xEF, 0xBB, 0xBF]))
        #expect(client.delivered.map { Array($0.topic.utf8) } == [[0xEF, 0xBB, 0xBF, 0x61, 0xEF, 0xBB, 0xBF]])
        try client.publish("\u{FEFF}a", .atMostOnce)
        #expect(client.takeSent() == [0x30, 6, 0, 4, 0xEF, 0xBB, 0xBF, 0x61])
    }

    @Test("MQTT-2.2.2-1 MQTT-7.0.0-2: every packet has the flags of table 2.2, and nothing beyond the standard") func flags() throws {
        var pair = Pair(WireClient(Connect(clientID: "c", cleanSession: true, keepAliveSeconds: 60)))
        pair.connect()
        try pair.clients[0].subscribe(Subscription("#"))
        for qos in QoS.allCases {
            try pair.clients[0].publish("t", [1], qos)
            pair.settle()
        }
        try pair.clients[0].unsubscribe("#")
        pair.clients[0].ping()
        pair.settle()
        pair.clients[0].disconnect()
        pair.settle()
        // The model knows no extension and judges each bit, with a decoder of its own.
        #expect(pair.broker.violations == [])
        #expect(pair.published.count == 3 && pair.clients[0].delivered.count == 3)
    }

    @Test(
        "MQTT-2.2.2-2: wrong fixed header flags end the connection",
        arguments: [
            [0x21, 2, 0, 0], [0x41, 2, 0, 1], [0x52, 2, 0, 1], [0x60, 2, 0, 1], [0x63, 2, 0, 1], [0x74, 2, 0, 1], [0x98, 3, 0, 1, 0],
            [0xB2, 2, 0, 1], [0xD1, 0],
        ] as [[UInt8]])
    func wrongFlags(packet: [UInt8]) {
        var client = WireClient.online()
        client.receive(packet)
        #expect(client.hangsUp && client.violation == .fixedHeaderFlags)
        #expect(client.takeSent() == [])
    }

    @Test(
        "MQTT-2.3.1-1: no packet identifier is 0, in either direction",
        arguments: [
            Bytes.publish(0x32, 0), Bytes.publish(0x34, 0), Bytes.acknowledgement(0x40, 0), Bytes.acknowledgement(0xB0, 0),
            [0x90, 3, 0, 0, 0],
        ])
    func identifierZero(packet: [UInt8]) throws {
        var client = WireClient.online()
        try client.subscribe(Subscription("a"))
        try client.unsubscribe("a")
        try client.publish("t", .atLeastOnce)
        try client.publish("t", .exactlyOnce)
        let identifiers = client.sent.map { $0.starts(with: [0x82]) || $0.starts(with: [0xA2]) ? $0[2...3] : $0[5...6] }
        #expect(identifiers.allSatisfy { $0 != [0, 0] })
        client.receive(packet)
        #expect(client.hangsUp && client.violation == .packetIdentifierZero)
    }

    @Test("MQTT-2.3.1-2: a new packet takes an identifier that is free") func freeIdentifiers() throws {
        var client = WireClient.online()
        var open: Set<[UInt8]> = []
        for _ in 0..<100 {
            try client.publish("t", .atLeastOnce)
            try client.subscribe(Subscription("a"))
        }
        for packet in client.sent { #expect(open.insert(packet[0] == 0x32 ? Array(packet[5...6]) : Array(packet[2...3])).inserted) }
        #expect(open.count == 200)
    }

    @Test("MQTT-2.3.1-3: a resend keeps its identifier, and only the last acknowledgement frees it") func resendKeepsIdentifier() throws {
        var client = WireClient.online()
        try client.publish("t", .exactlyOnce)
        #expect(client.takeSent() == Bytes.publish(0x34, 0x4000))
        client.reconnect(sessionPresent: true)
        #expect(client.takeSent() == Bytes.publish(0x3C, 0x4000))
        client.receive(Bytes.acknowledgement(0x50, 0x4000))
        #expect(client.takeSent() == Bytes.acknowledgement(0x62, 0x4000))
        try client.publish("t", .atLeastOnce)
        #expect(client.takeSent() == Bytes.publish(0x32, 0x4001))
        client.reconnect(sessionPresent: true)
        #expect(client.takeSent() == Bytes.acknowledgement(0x62, 0x4000) + Bytes.publish(0x3A, 0x4001))
        #expect(client.completed == [])
        client.receive(Bytes.acknowledgement(0x70, 0x4000))
        #expect(client.completed == [0])
    }

    @Test("MQTT-2.3.1-4: more messages without acknowledgement than identifiers break the server's rule") func serverIdentifiers() {
        var client = WireClient.online()
        client.releasesAtOnce = false
        let all = (1...65_535 as ClosedRange<UInt16>).flatMap { Bytes.publish(0x32, $0) }
        for start in stride(from: 0, to: all.count, by: 70_000) { client.receive(Array(all[start..<min(all.count, start + 70_000)])) }
        #expect(client.isOnline && client.delivered.count == 65_535)
        client.receive(Bytes.publish(0x32, 7))
        #expect(client.hangsUp && client.violation == .identifiersExhausted)
    }

    @Test("MQTT-2.3.1-5 MQTT-3.3.1-2: QoS 0 has neither identifier nor DUP, in either direction") func atMostOnceHasNoIdentifier() throws {
        var client = WireClient.online()
        try client.publish("t", [0, 1], .atMostOnce)
        #expect(client.takeSent() == [0x30, 5, 0, 1, 0x74, 0, 1])
        client.receive([0x30, 5, 0, 1, 0x74, 0, 1])
        #expect(client.delivered.map(\.payload) == [[0, 1]])
        client.receive([0x38, 5, 0, 1, 0x74, 0, 1])
        #expect(client.hangsUp && client.violation == .duplicateFlagOnAtMostOnce)
    }

    @Test("MQTT-2.3.1-6: acknowledgements repeat the identifier of their PUBLISH") func acknowledgementsRepeatIdentifiers() throws {
        var client = WireClient.online()
        client.receive(Bytes.publish(0x32, 0xABCD) + Bytes.publish(0x34, 0x0102))
        #expect(client.takeSent() == [0x40, 2, 0xAB, 0xCD, 0x50, 2, 0x01, 0x02])
        client.receive(Bytes.acknowledgement(0x62, 0x0102))
        #expect(client.takeSent() == [0x70, 2, 0x01, 0x02])
        try client.publish("t", .atLeastOnce)
        client.receive(Bytes.acknowledgement(0x40, 0x4001))
        #expect(client.completed == [], "an acknowledgement of something else completes nothing")
        client.receive(Bytes.acknowledgement(0x40, 0x4000))
        #expect(client.completed == [0])
    }

    @Test("MQTT-2.3.1-7 MQTT-3.8.4-2: an answer belongs to the request of its identifier") func answersRepeatIdentifiers() throws {
        var client = WireClient.online()
        let first = try client.subscribe(Subscription("a"))
        let second = try client.subscribe(Subscription("b"))
        let third = try client.unsubscribe("c")
        client.receive([0x90, 3, 0, 9, 0])
        client.receive([0xB0, 2, 0, 1])
        #expect(client.resolutions.isEmpty, "neither identifier is that of such a request")
        client.receive([0x90, 3, 0, 2, 1])
        #expect(client.resolutions == [second: .answered])
        client.receive([0xB0, 2, 0, 3, 0x90, 3, 0, 1, 0])
        #expect(client.resolutions == [first: .answered, second: .answered, third: .answered])
    }
}
