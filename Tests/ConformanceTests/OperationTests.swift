// Sections 4.7 and 4.8, chapters 6 and 7: topics, errors, transport.
import MQTTCore
import MQTTTesting
import Testing

@Suite("Topics, errors, transport") struct OperationTests {
    private func citation(_ filter: String) -> String? {
        do throws(MQTTError) {
            _ = try TopicFilter(filter)
            return nil
        } catch {
            return error.citation
        }
    }

    @Test("MQTT-4.7.1-2: # is the last character, alone or behind a slash") func multiLevel() {
        for filter in ["#", "a/#", "/#", "+/#"] { #expect(citation(filter) == nil) }
        for filter in ["a#", "#/a", "a/#/b", "##"] { #expect(citation(filter) == "MQTT-4.7.1-2") }
    }

    @Test("MQTT-4.7.1-3: + fills a whole level, anywhere") func singleLevel() {
        for filter in ["+", "+/a", "a/+", "a/+/b", "+/+", "/+"] { #expect(citation(filter) == nil) }
        for filter in ["a+", "+a", "a/b+", "++", "a/+b/c"] { #expect(citation(filter) == "MQTT-4.7.1-3") }
    }

    @Test("MQTT-4.7.2-1: # and + in front do not match $, at the server and in the client") func dollar() throws {
        var pair = Pair(WireClient())
        pair.connect()
        try pair.clients[0].subscribe(Subscription("#"), Subscription("+/x"))
        for topic in ["$own/x", "own/x"] { try pair.clients[0].publish(topic, .atLeastOnce) }
        pair.settle()
        #expect(Set(pair.clients[0].delivered.map(\.topic)) == ["own/x"])
        for filter in ["#", "+/x", "+/#"] {
            #expect(try !TopicFilter(filter).matches("$own/x"))
            #expect(try TopicFilter(filter).matches("own/x"))
        }
        #expect(try TopicFilter("$own/#").matches("$own/x"))
    }

    @Test("MQTT-4.7.3-1 MQTT-4.7.3-2 MQTT-4.7.3-3: names and filters have 1 to 65,535 bytes and no U+0000") func length() throws {
        let long = String(repeating: "x", count: 65_536)
        var client = WireClient.online()
        for text in ["", "a\0b", long] {
            #expect(throws: MQTTError.self) { try client.publish(text, .atLeastOnce) }
            #expect(throws: MQTTError.self) { try client.subscribe(Subscription(text)) }
            #expect(throws: MQTTError.self) { try client.unsubscribe(text) }
        }
        #expect(client.takeSent() == [])
        try client.publish(String(long.dropLast()), .atMostOnce)
        #expect(client.takeSent().prefix(6) == [0x30, 0x81, 0x80, 0x04, 0xFF, 0xFF])
        client.receive([0x30, 0x81, 0x80, 0x04, 0xFF, 0xFF] + [UInt8](repeating: 0x61, count: 65_535))
        #expect(client.delivered.map(\.topic.utf8.count) == [65_535])
        client.receive([0x30, 3, 0, 0, 1])
        #expect(client.hangsUp && client.violation == .emptyTopicName)
    }

    @Test("MQTT-4.7.3-4: bytes are compared, not characters") func noNormalization() throws {
        var pair = Pair(WireClient())
        pair.connect()
        try pair.clients[0].subscribe(Subscription("caf\u{E9}"))
        try pair.clients[0].publish("cafe\u{301}", [1], .atLeastOnce)
        try pair.clients[0].publish("caf\u{E9}", [2], .atLeastOnce)
        pair.settle()
        #expect(pair.clients[0].delivered.map(\.payload) == [[2]])
        #expect(try !TopicFilter("caf\u{E9}").matches("cafe\u{301}"))
        #expect(try TopicName("caf\u{E9}") != TopicName("cafe\u{301}"))
    }

    @Test(
        "MQTT-4.8.0-1: a violation ends its connection, is told, and the session goes on with the next",
        arguments: [
            [0xF0, 0], [0x00, 0], [0x10, 0], [0x80, 2, 0, 1], [0xC0, 0], [0xE0, 0], [0x30, 0x80, 0x80, 0x80, 0x80, 0x01],
            [0x40, 3, 0, 1, 0], [0xD0, 1, 0],
        ] as [[UInt8]])
    func violation(packet: [UInt8]) throws {
        var client = WireClient.online()
        try client.publish("t", .exactlyOnce)
        _ = client.takeSent()
        client.receive(packet + Bytes.publish(0x30))
        #expect(client.hangsUp && client.violation != nil)
        #expect(client.delivered == [] && client.takeSent() == [])
        client.open()
        _ = client.takeSent()
        client.receive(Bytes.connackPresent)
        #expect(client.takeSent() == Bytes.publish(0x3C, 0x4000))
    }

    @Test("MQTT-4.8.0-2: a packet that breaks off ends the connection, and what it carried is not acknowledged") func brokenOff() {
        var client = WireClient.online()
        client.receive(Array(Bytes.publish(0x34, 7, [1, 2, 3]).dropLast()))
        client.advance(by: .seconds(10))
        #expect(client.hangsUp && client.effects.contains(.offline(.silent(.restOfPacket))))
        #expect(client.takeSent() == [])
        client.open()
        client.receive(Bytes.connackPresent + Bytes.publish(0x3C, 7, [1, 2, 3]))
        #expect(client.delivered.map(\.payload) == [[1, 2, 3]])
    }

    @Test("MQTT-7.1.2-1: an ordered, lossless stream of bytes is all that is needed, however it is cut") func stream() throws {
        func run(isSlow: Bool) throws -> [WireClient.Delivered] {
            var pair = Pair(WireClient.named("sub"), WireClient.named("pub"))
            pair.isSlow = isSlow
            pair.connect(0)
            pair.connect(1)
            try pair.clients[0].subscribe(Subscription("#"))
            pair.settle()
            for value in 0..<60 as Range<UInt8> {
                try pair.clients[1].publish("t/\(value)", [UInt8](repeating: value, count: Int(value) * 7), QoS.allCases[Int(value) % 3])
            }
            pair.settle()
            #expect(pair.broker.violations == [] && pair.clients[1].completed.count == 40)
            return pair.clients[0].delivered
        }
        let whole = try run(isSlow: false)
        #expect(whole.count == 60)
        #expect(try run(isSlow: true) == whole)
    }
}
