// Section 3.1: CONNECT, and what a server makes of it.
import MQTTCore
import MQTTTesting
import Testing

@Suite("CONNECT") struct ConnectTests {
    private func bytes(_ connect: Connect) -> [UInt8] {
        var client = WireClient(connect)
        client.open()
        return client.takeSent()
    }

    @Test("MQTT-3.1.0-1: CONNECT is the first packet on a connection, and alone until CONNACK") func connectIsFirst() throws {
        var client = WireClient()
        try client.publish("t", .atLeastOnce)
        try client.subscribe(Subscription("a"))
        client.open()
        #expect(client.takeSent() == Bytes.connect())
        client.receive(Bytes.connack)
        #expect(client.takeSent() == [0x82, 6, 0, 1, 0, 1, 0x61, 2] + Bytes.publish(0x32, 0x4000))
    }

    @Test("MQTT-3.1.0-2: one CONNECT per connection") func oneConnect() {
        var pair = Pair(WireClient())
        for _ in 0..<5 { pair.reconnect() }
        pair.advance(by: .seconds(600))
        #expect(pair.broker.violations == [])
        #expect(pair.clients[0].effects.count { if case .sendConnect = $0 { true } else { false } } == 5)
    }

    @Test("MQTT-3.1.2-1 MQTT-3.1.2-3: protocol name MQTT, level 4, reserved flag 0") func protocolName() {
        for cleanSession in [false, true] {
            let connect = bytes(Connect(clientID: "c", cleanSession: cleanSession, keepAliveSeconds: 60, username: "u", password: []))
            #expect(connect[2..<9] == [0, 4, 0x4D, 0x51, 0x54, 0x54, 4])
            #expect(connect[9] & 1 == 0)
        }
    }

    @Test(
        "MQTT-3.1.2-2 MQTT-3.1.3-9 MQTT-3.2.2-5: a refusal is told with its code, the connection closed, and tried again late",
        arguments: 1...5 as ClosedRange<UInt8>)
    func refusals(code: UInt8) throws {
        var pair = Pair(WireClient())
        pair.broker.refuseNext([code])
        pair.connect()
        #expect(pair.clients[0].effects.contains(.attemptFailed(.refused(ReasonCode(rawValue: code)))))
        #expect(!pair.clients[0].isOnline)
        let deadline = try #require(pair.clients[0].session.deadline)
        #expect(deadline - pair.clients[0].now >= 30_000_000_000)
        pair.connect()
        #expect(pair.clients[0].isOnline)
    }

    @Test("MQTT-3.1.2-4 MQTT-4.1.0-1 MQTT-4.1.0-2: Clean Session 0 keeps the session at both ends") func sessionIsKept() throws {
        var pair = Pair(WireClient())
        pair.connect()
        try pair.clients[0].publish("t", .exactlyOnce)
        pair.cut()  // PUBLISH is lost
        #expect(pair.broker.hasSession("c"))
        try pair.clients[0].publish("u", .atLeastOnce)
        pair.connect()
        #expect(pair.clients[0].effects.contains(.online(sessionPresent: true)))
        #expect(pair.published.map(\.topic) == ["t", "u"] && pair.clients[0].completed == [1, 0])
    }

    @Test("MQTT-3.1.2-5: what was published meanwhile comes after the reconnect") func messagesWait() throws {
        var pair = Pair(WireClient.named("sub"), WireClient.named("pub"))
        pair.connect(0)
        pair.connect(1)
        try pair.clients[0].subscribe(Subscription("#"))
        pair.settle()
        pair.cut(0)
        try pair.clients[1].publish("t", [0x31], .atLeastOnce)
        try pair.clients[1].publish("t", [0x32], .exactlyOnce)
        pair.settle()
        pair.connect(0)
        #expect(pair.texts(0) == ["t 1", "t 2"])
    }

    @Test("MQTT-3.1.2-6 MQTT-3.2.2-1: Clean Session 1 begins empty, and a session present is a violation then") func cleanSession() throws {
        var pair = Pair(WireClient.named("c"), WireClient.named("c", cleanSession: true))
        pair.connect(0)
        try pair.clients[0].subscribe(Subscription("old"))
        pair.settle()
        pair.cut(0)
        pair.connect(1)
        #expect(pair.clients[1].effects.contains(.online(sessionPresent: false)))
        #expect(pair.broker.filters(of: "c") == [])

        var client = WireClient.named("c", cleanSession: true)
        client.open()
        client.receive(Bytes.connackPresent)
        #expect(client.hangsUp && client.violation == .sessionPresentAfterClean)
    }

    @Test("MQTT-3.1.2-9 MQTT-3.1.2-14: with a will, topic and message follow, at QoS 0, 1 or 2", arguments: QoS.allCases)
    func will(qos: QoS) {
        let will = Connect.Will(topic: "w", payload: [9], qos: qos, retain: false)
        let connect = bytes(Connect(clientID: "c", cleanSession: false, keepAliveSeconds: 60, will: will))
        #expect(connect[9] == 0b100 | qos.rawValue << 3)
        #expect(connect[12...] == [0, 1, 0x63, 0, 1, 0x77, 0, 1, 9])
    }

    @Test("MQTT-3.1.2-11 MQTT-3.1.2-13 MQTT-3.1.2-15: without a will, its flag, QoS and retain are 0 and nothing follows") func noWill() {
        #expect(bytes(Connect(clientID: "c", cleanSession: false, keepAliveSeconds: 60)) == Bytes.connect())
    }

    @Test("MQTT-3.1.2-18 MQTT-3.1.2-19 MQTT-3.1.2-20 MQTT-3.1.2-21: flags and fields of user name and password go together")
    func credentials() {
        let none = bytes(Connect(clientID: "c", cleanSession: false, keepAliveSeconds: 60))
        #expect(none[9] & 0b1100_0000 == 0 && none[12...] == [0, 1, 0x63])
        let name = bytes(Connect(clientID: "c", cleanSession: false, keepAliveSeconds: 60, username: "u"))
        #expect(name[9] & 0b1100_0000 == 0b1000_0000 && name[12...] == [0, 1, 0x63, 0, 1, 0x75])
        let both = bytes(Connect(clientID: "c", cleanSession: false, keepAliveSeconds: 60, username: "", password: [0, 255]))
        #expect(both[9] & 0b1100_0000 == 0b1100_0000 && both[12...] == [0, 1, 0x63, 0, 0, 0, 2, 0, 255])
    }

    @Test("MQTT-3.1.2-22: a password without a user name is denied") func passwordAlone() {
        let error = #expect(throws: MQTTError.self) {
            try Connect(clientID: "c", cleanSession: false, keepAliveSeconds: 60, password: [1]).check()
        }
        #expect(error?.citation == "MQTT-3.1.2-22")
    }

    @Test("MQTT-3.1.2-23: the client is never silent for longer than keep-alive") func keepAlive() {
        var pair = Pair(WireClient())
        pair.connect()
        for _ in 0..<100 { pair.advance(by: .seconds(100)) }
        #expect(pair.clients[0].isOnline && pair.broker.isConnected("c"))
        #expect(pair.clients[0].effects.contains(.send(.pingreq)))
    }

    @Test("MQTT-3.1.2-24: a connection that the server ends for silence is an interruption like any other") func silenceAtTheServer() throws
    {
        var pair = Pair(WireClient())
        pair.connect()
        try pair.clients[0].publish("t", .atLeastOnce)
        pair.isCutOff = [0]
        pair.settle()
        // Something still comes from the broker, so the client has no reason to give up by itself.
        for _ in 0..<95 where pair.clients[0].isOnline {
            pair.clients[0].receive(Bytes.publish(0x30))
            pair.advance(by: .seconds(1))
        }
        #expect(pair.clients[0].effects.contains(.offline(.closed)))
        pair.isCutOff = []
        pair.connect()
        #expect(pair.published.map(\.topic) == ["t"] && pair.clients[0].completed == [0])
    }

    @Test("MQTT-3.1.3-1: client identifier, will topic, will message, user name, password") func payloadOrder() {
        let will = Connect.Will(topic: "w", payload: [0x6D], qos: .atMostOnce, retain: true)
        let connect = bytes(Connect(clientID: "c", cleanSession: false, keepAliveSeconds: 60, will: will, username: "u", password: [0x70]))
        #expect(connect[12...] == [0, 1, 0x63, 0, 1, 0x77, 0, 1, 0x6D, 0, 1, 0x75, 0, 1, 0x70])
    }

    @Test("MQTT-3.1.3-2: each client identifier has a session of its own") func sessionByIdentifier() throws {
        var pair = Pair(WireClient.named("a"), WireClient.named("b"))
        pair.connect(0)
        try pair.clients[0].subscribe(Subscription("of-a"))
        pair.settle()
        pair.cut(0)
        pair.connect(1)
        #expect(pair.clients[1].effects.contains(.online(sessionPresent: false)))
        pair.connect(0)
        #expect(pair.clients[0].effects.contains(.online(sessionPresent: true)))
        #expect(pair.broker.filters(of: "a") == ["of-a"] && pair.broker.filters(of: "b") == [])
    }

    @Test(
        "MQTT-3.1.3-3 MQTT-3.1.3-4 MQTT-3.1.3-5 MQTT-3.1.3-10 MQTT-3.1.3-11: the identifier is there, and texts are UTF-8 with their length"
    )
    func texts() {
        let long = "0123456789abcdefghijABC"
        #expect(bytes(Connect(clientID: long, cleanSession: false, keepAliveSeconds: 60))[12...] == [0, 23] + Array(long.utf8)[...])
        #expect(bytes(Connect(clientID: "", cleanSession: true, keepAliveSeconds: 60))[12...] == [0, 0])
        let will = Connect.Will(topic: "ö", payload: [], qos: .atMostOnce, retain: false)
        let connect = bytes(Connect(clientID: "ä", cleanSession: false, keepAliveSeconds: 60, will: will, username: "ü"))
        #expect(connect[12...] == [0, 2, 0xC3, 0xA4, 0, 2, 0xC3, 0xB6, 0, 0, 0, 2, 0xC3, 0xBC])
        var pair = Pair(WireClient.named(long))
        pair.connect()
        #expect(pair.clients[0].isOnline)
    }

    @Test("MQTT-3.1.3-7 MQTT-3.1.3-8: an empty identifier needs Clean Session, at every connection") func emptyIdentifier() throws {
        let error = #expect(throws: MQTTError.self) { try Connect(clientID: "", cleanSession: false, keepAliveSeconds: 60).check() }
        #expect(error?.citation == "MQTT-3.1.3-7")
        try Connect(clientID: "", cleanSession: true, keepAliveSeconds: 60).check()
        var pair = Pair(WireClient.named("", cleanSession: true))
        for _ in 0..<3 { pair.reconnect() }
        #expect(pair.clients[0].isOnline, "the server would refuse the reconnect with code 2")
        #expect(pair.broker.violations == [])
    }

    @Test("MQTT-3.1.4-1 MQTT-3.2.2-6: a connection closed without CONNACK is a failed attempt, and nothing is lost") func noConnack() throws
    {
        var pair = Pair(WireClient())
        try pair.clients[0].publish("t", .exactlyOnce)
        var faults = ConnectionFaults()
        faults.closesBeforeConnack = true
        pair.connect(faults: faults)
        #expect(pair.clients[0].effects.contains(.attemptFailed(.closed)))
        #expect(pair.published.isEmpty)
        pair.connect()
        #expect(pair.published.map(\.topic) == ["t"] && pair.clients[0].completed == [0])
    }

    @Test("MQTT-3.1.4-2: the first of two connections under one identifier is interrupted, and goes on later") func takeOver() throws {
        var pair = Pair(WireClient(), WireClient())
        pair.connect(0)
        pair.connect(1)
        #expect(pair.clients[0].effects.contains(.offline(.closed)) && pair.clients[1].isOnline)
        try pair.clients[0].publish("t", .atLeastOnce)
        pair.connect(0)
        #expect(pair.clients[1].effects.contains(.offline(.closed)))
        #expect(pair.clients[0].completed == [0])
    }

    @Test("MQTT-3.1.4-4: CONNACK code 0 brings the client online") func accepted() {
        var client = WireClient()
        client.open()
        #expect(!client.isOnline)
        client.receive(Bytes.connack)
        #expect(client.isOnline)
    }

    @Test("MQTT-3.1.4-5: nothing is risked behind a CONNECT that may be refused") func nothingBehindConnect() throws {
        var pair = Pair(WireClient())
        try pair.clients[0].publish("t", .atLeastOnce)
        try pair.clients[0].publish("lost", .atMostOnce)
        #expect(pair.clients[0].effects.contains(.refused(.down)))
        pair.broker.refuseNext([3, 3])
        pair.connect()
        pair.connect()
        #expect(pair.clients[0].sent.isEmpty && pair.published.isEmpty)
        pair.connect()
        #expect(pair.published.map(\.topic) == ["t"])
    }
}
