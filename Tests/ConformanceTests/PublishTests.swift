// Sections 3.3 to 3.7: PUBLISH and its acknowledgements.
import MQTTCore
import MQTTTesting
import Testing

@Suite("PUBLISH") struct PublishTests {
    @Test("MQTT-3.3.1-1 MQTT-3.3.1-3: DUP is 1 on each delivery after the first, and 0 on the first, whatever came in") func dup() throws {
        var client = WireClient.online()
        client.receive(Bytes.publish(0x3A, 5))
        #expect(client.delivered.map(\.isDuplicate) == [true])
        _ = client.takeSent()
        try client.publish("t", .atLeastOnce)
        #expect(client.takeSent() == Bytes.publish(0x32, 0x4000))
        for _ in 0..<2 {
            client.reconnect(sessionPresent: true)
            #expect(client.takeSent() == Bytes.publish(0x3A, 0x4000))
        }
    }

    @Test("MQTT-3.3.1-4: QoS 3 ends the connection", arguments: [0x36, 0x37, 0x3E, 0x3F] as [UInt8]) func reservedQoS(first: UInt8) {
        var client = WireClient.online()
        client.receive(Bytes.publish(first, 1))
        #expect(client.hangsUp && client.violation == .reservedQoS)
        #expect(QoS(rawValue: 3) == nil, "there is nothing to send it with")
    }

    @Test("MQTT-3.3.1-6 MQTT-3.3.1-8 MQTT-3.3.1-9: RETAIN tells messages of a new subscription from those of one that stood")
    func retained() throws {
        var pair = Pair(WireClient.named("sub"), WireClient.named("pub"))
        pair.connect(0)
        pair.connect(1)
        for payload: UInt8 in [0x31, 0x32] { try pair.clients[1].publish("a/t", [payload], .atLeastOnce, retain: true) }
        pair.settle()
        try pair.clients[0].subscribe(Subscription("a/#"))
        pair.settle()
        try pair.clients[1].publish("a/t", [0x33], .atLeastOnce, retain: true)
        pair.settle()
        #expect(pair.texts(0) == ["a/t 2", "a/t 3"])
        #expect(pair.clients[0].delivered.map(\.retain) == [true, false])
    }

    @Test("MQTT-3.3.1-10: an empty retained message clears, and arrives as a message") func clearing() throws {
        var pair = Pair(WireClient.named("sub"), WireClient.named("pub"))
        pair.connect(0)
        pair.connect(1)
        try pair.clients[0].subscribe(Subscription("t"))
        try pair.clients[1].publish("t", [0x31], .atLeastOnce, retain: true)
        try pair.clients[1].publish("t", [], .atLeastOnce, retain: true)
        pair.settle()
        #expect(pair.clients[0].delivered.map(\.payload) == [[0x31], []])
        #expect(pair.broker.retainedMessages(matching: "#").isEmpty)
    }

    @Test("MQTT-3.3.2-1: the topic name opens the variable header, as UTF-8") func topicFirst() throws {
        var client = WireClient.online()
        try client.publish("a/ü", [0xFF], .exactlyOnce)
        #expect(client.takeSent() == [0x34, 9, 0, 4, 0x61, 0x2F, 0xC3, 0xBC, 0x40, 0x00, 0xFF])
        client.receive([0x30, 6, 0, 4, 0x61, 0x2F, 0xC3, 0xBC])
        #expect(client.delivered.map(\.topic) == ["a/ü"])
        client.receive([0x30, 3, 0, 2, 0x61])
        #expect(client.hangsUp && client.violation == .remainingLength)
    }

    @Test("MQTT-3.3.2-2 MQTT-4.7.1-1: no wildcard in a topic name, in either direction", arguments: ["#", "+", "a/+", "a#"])
    func wildcards(topic: String) {
        var client = WireClient.online()
        for qos in QoS.allCases {
            let error = #expect(throws: MQTTError.self) { try client.publish(topic, qos) }
            #expect(error?.fate == .denied)
        }
        #expect(client.takeSent() == [])
        client.receive([0x30, UInt8(2 + topic.utf8.count), 0, UInt8(topic.utf8.count)] + Array(topic.utf8))
        #expect(client.hangsUp && client.violation == .wildcardInTopicName)
    }

    @Test("MQTT-3.3.2-3: what arrives can be matched to the filters by the client") func matching() throws {
        var pair = Pair(WireClient())
        pair.connect()
        let filters = ["a/+", "b/#"]
        try pair.clients[0].subscribe(Subscription(filters[0]), Subscription(filters[1]))
        for topic in ["a/x", "a/x/y", "b", "b/c/d", "c"] { try pair.clients[0].publish(topic, .atLeastOnce) }
        pair.settle()
        #expect(pair.clients[0].delivered.map(\.topic) == ["a/x", "b", "b/c/d"])
        for message in pair.clients[0].delivered { #expect(try filters.contains { try TopicFilter($0).matches(message.topic) }) }
    }

    @Test("MQTT-3.3.4-1 MQTT-4.5.0-2: the QoS of a PUBLISH sets its answer, wanted or not") func answers() {
        var client = WireClient.online()
        client.receive(Bytes.publish(0x30))
        #expect(client.takeSent() == [])
        client.receive(Bytes.publish(0x32, 1))
        #expect(client.takeSent() == Bytes.acknowledgement(0x40, 1))
        client.receive(Bytes.publish(0x34, 2))
        #expect(client.takeSent() == Bytes.acknowledgement(0x50, 2))
    }

    @Test("MQTT-3.3.5-1: of overlapping subscriptions the highest QoS counts") func overlapping() throws {
        var pair = Pair(WireClient())
        pair.connect()
        try pair.clients[0].subscribe(Subscription("a/#", atMost: .atMostOnce), Subscription("a/b", atMost: .exactlyOnce))
        try pair.clients[0].publish("a/b", .exactlyOnce)
        pair.settle()
        #expect(pair.clients[0].delivered.map(\.qos).max() == .exactlyOnce)
    }

    @Test("MQTT-3.3.5-2: an unauthorized publish is acknowledged or ends the connection; the client takes both") func unauthorized() throws
    {
        var client = WireClient.online()
        try client.publish("secret", .atLeastOnce)
        client.cut()
        #expect(client.completed == [] && client.effects.contains(.offline(.closed)))
        client.open()
        client.receive(Bytes.connackPresent)
        client.receive(Bytes.acknowledgement(0x40, 0x4000))
        #expect(client.completed == [0])
    }

    @Test("MQTT-3.6.1-1: the flags of PUBREL are 0010, in either direction") func pubrelFlags() throws {
        var client = WireClient.online()
        try client.publish("t", .exactlyOnce)
        _ = client.takeSent()
        client.receive(Bytes.acknowledgement(0x50, 0x4000))
        #expect(client.takeSent() == [0x62, 2, 0x40, 0x00])
        client.receive(Bytes.acknowledgement(0x62, 3))
        #expect(client.takeSent() == [0x70, 2, 0, 3])
        for first: UInt8 in [0x60, 0x61, 0x63, 0x66, 0x6A] {
            var other = WireClient.online()
            other.receive(Bytes.acknowledgement(first, 3))
            #expect(other.hangsUp && other.violation == .fixedHeaderFlags)
        }
    }
}
