// Sections 3.8 to 3.11: SUBSCRIBE and UNSUBSCRIBE.
import MQTTCore
import MQTTTesting
import Testing

@Suite("SUBSCRIBE and UNSUBSCRIBE") struct SubscribeTests {
    private func connected(_ configure: (inout BrokerConfiguration) -> Void = { _ in }) -> Pair {
        var configuration = BrokerConfiguration()
        configure(&configuration)
        var pair = Pair(WireClient.named("sub"), WireClient.named("pub"), broker: configuration)
        pair.connect(0)
        pair.connect(1)
        return pair
    }

    @Test("MQTT-3.8.1-1 MQTT-3.8.3-1 MQTT-3-8.3-4: flags 0010, filters in UTF-8, QoS 0 to 2 in a byte of its own") func subscribe() throws {
        var client = WireClient.online()
        try client.subscribe(
            Subscription("ä", atMost: .atMostOnce), Subscription("+", atMost: .atLeastOnce), Subscription("#", atMost: .exactlyOnce))
        #expect(client.takeSent() == [0x82, 15, 0, 1, 0, 2, 0xC3, 0xA4, 0, 0, 1, 0x2B, 1, 0, 1, 0x23, 2])
    }

    @Test("MQTT-3.8.3-2 MQTT-3.8.4-5 MQTT-3.9.3-1: one code per filter in their order, refused ones among them") func refusedFilters()
        throws
    {
        var pair = connected { $0.deniedFilters = ["a/#", "+"] }
        let ticket = try pair.clients[0].subscribe(
            Subscription("a/b", atMost: .atLeastOnce), Subscription("a/#"), Subscription("c", atMost: .atMostOnce), Subscription("+"))
        pair.settle()
        #expect(pair.clients[0].grants == [1, 0x80, 0, 0x80])
        #expect(pair.clients[0].resolutions[ticket] == .answered)
        for codes: [UInt8] in [[0], [0, 1, 2]] {
            var client = WireClient.online()
            try client.subscribe(Subscription("a"), Subscription("b"))
            client.receive([0x90, UInt8(2 + codes.count), 0, 1] + codes)
            #expect(client.hangsUp && client.violation == .subackCount)
        }
    }

    @Test("MQTT-3.8.3-3: SUBSCRIBE has a filter") func subscribeWithoutFilters() {
        let error = #expect(throws: MQTTError.self) { try Subscribe([]).check() }
        #expect(error?.citation == "MQTT-3.8.3-3")
    }

    @Test("MQTT-3.8.4-1: a SUBSCRIBE without its SUBACK stays open until the connection ends") func missingSuback() throws {
        var client = WireClient.online()
        let ticket = try client.subscribe(Subscription("a"))
        client.receive(Bytes.publish(0x30) + [0xD0, 0])
        #expect(client.resolutions.isEmpty)
        client.cut()
        #expect(client.resolutions == [ticket: .connectionLost])
    }

    @Test("MQTT-3.8.4-3: the same filter again replaces the subscription and brings retained messages again") func sameFilterAgain() throws
    {
        var pair = connected()
        try pair.clients[1].publish("t", [0x72], .atLeastOnce, retain: true)
        pair.settle()
        try pair.clients[0].subscribe(Subscription("t"))
        pair.settle()
        try pair.clients[0].subscribe(Subscription("t"))
        pair.settle()
        try pair.clients[1].publish("t", [0x31], .atLeastOnce)
        pair.settle()
        #expect(pair.texts(0) == ["t r", "t r", "t 1"])
        #expect(pair.broker.filters(of: "sub") == ["t"])
    }

    @Test("MQTT-3.8.4-4: many filters in one SUBSCRIBE are one packet and one SUBACK") func manyFilters() throws {
        var pair = connected()
        let ticket = try pair.clients[0].subscribe(Subscription("a"), Subscription("b"), Subscription("c"))
        pair.settle()
        #expect(pair.clients[0].resolutions == [ticket: .answered] && pair.clients[0].grants == [2, 2, 2])
        #expect(pair.broker.filters(of: "sub").sorted() == ["a", "b", "c"])
    }

    @Test("MQTT-3.8.4-6: the delivered QoS is the lower of published and granted", arguments: QoS.allCases, QoS.allCases)
    func deliveredQoS(published: QoS, asked: QoS) throws {
        var pair = connected { $0.maximumQoS = 1 }
        try pair.clients[0].subscribe(Subscription("t", atMost: asked))
        pair.settle()
        #expect(pair.clients[0].grants == [min(asked, .atLeastOnce).rawValue])
        try pair.clients[1].publish("t", published)
        pair.settle()
        #expect(pair.clients[0].delivered.map(\.qos) == [min(published, asked, .atLeastOnce)])
    }

    @Test("MQTT-3.9.3-2: other SUBACK codes end the connection", arguments: [3, 4, 0x7F, 0x81, 0xFF] as [UInt8])
    func reservedCodes(code: UInt8) throws {
        var client = WireClient.online()
        try client.subscribe(Subscription("a"))
        client.receive([0x90, 3, 0, 1, code])
        #expect(client.hangsUp && client.violation == .subackReturnCode)
    }

    @Test("MQTT-3.10.1-1 MQTT-3.10.3-1: UNSUBSCRIBE has flags 0010 and filters in UTF-8, one behind another") func unsubscribe() throws {
        var client = WireClient.online()
        try client.unsubscribe("ä", "b/#")
        #expect(client.takeSent() == [0xA2, 11, 0, 1, 0, 2, 0xC3, 0xA4, 0, 3, 0x62, 0x2F, 0x23])
    }

    @Test("MQTT-3.10.3-2: UNSUBSCRIBE has a filter") func unsubscribeWithoutFilters() {
        let error = #expect(throws: MQTTError.self) { try Unsubscribe([]).check() }
        #expect(error?.citation == "MQTT-3.10.3-2")
    }

    @Test("MQTT-3.10.4-1: the filter goes out as it is, and wildcards match no other filter") func exactCharacters() throws {
        var pair = connected()
        try pair.clients[0].subscribe(Subscription("a/b"), Subscription("caf\u{E9}"))
        try pair.clients[0].unsubscribe("a/+", "#", "cafe\u{301}")
        pair.settle()
        #expect(pair.broker.filters(of: "sub").count == 2)
        try pair.clients[0].unsubscribe("a/b", "caf\u{E9}")
        pair.settle()
        #expect(pair.broker.filters(of: "sub") == [])
    }

    @Test("MQTT-3.10.4-2: after UNSUBACK no new messages come") func noNewMessages() throws {
        var pair = connected()
        try pair.clients[0].subscribe(Subscription("t"))
        try pair.clients[1].publish("t", [0x31], .atLeastOnce)
        pair.settle()
        try pair.clients[0].unsubscribe("t")
        pair.settle()
        try pair.clients[1].publish("t", [0x32], .atLeastOnce)
        pair.settle()
        #expect(pair.texts(0) == ["t 1"])
    }

    @Test("MQTT-3.10.4-3: deliveries under way at an unsubscribe run to their end") func deliveriesUnderWay() throws {
        var pair = connected()
        pair.clients[0].releasesAtOnce = false
        try pair.clients[0].subscribe(Subscription("t"))
        pair.settle()
        try pair.clients[1].publish("t", [0x31], .exactlyOnce)
        pair.settle()
        let ticket = try pair.clients[0].unsubscribe("t")
        pair.settle()
        #expect(pair.clients[0].resolutions[ticket] == .answered)
        #expect(pair.broker.pendingCount(of: "sub") == 1)
        pair.clients[0].release(pair.clients[0].delivered[0].receipt)
        pair.settle()
        #expect(pair.broker.pendingCount(of: "sub") == 0)
        #expect(pair.clients[0].effects.contains { if case .send(.pubcomp) = $0 { true } else { false } })
    }

    @Test("MQTT-3.10.4-4 MQTT-3.10.4-5 MQTT-3.10.4-6: each UNSUBSCRIBE has one UNSUBACK, whether or not there was a subscription")
    func unsuback() throws {
        var pair = connected()
        let none = try pair.clients[0].unsubscribe("never")
        let many = try pair.clients[0].unsubscribe("a", "b", "c")
        #expect(pair.clients[0].resolutions.isEmpty)
        pair.settle()
        #expect(pair.clients[0].resolutions == [none: .answered, many: .answered])
    }
}
