// Sections 4.3 to 4.6: the three guarantees, resending, order.
import MQTTCore
import MQTTTesting
import Testing

@Suite("Delivery") struct DeliveryTests {
    @Test("MQTT-4.3.1-1: QoS 0 goes out once, with DUP 0") func atMostOnce() throws {
        var client = WireClient.online()
        try client.publish("t", .atMostOnce)
        #expect(client.takeSent() == Bytes.publish(0x30))
        client.reconnect(sessionPresent: true)
        #expect(client.takeSent() == [])
    }

    @Test("MQTT-4.3.2-1: QoS 1 is open under its own identifier until PUBACK") func atLeastOnceSender() throws {
        var client = WireClient.online()
        try client.publish("t", .atLeastOnce)
        try client.publish("t", .atLeastOnce)
        #expect(client.takeSent() == Bytes.publish(0x32, 0x4000) + Bytes.publish(0x32, 0x4001))
        client.receive(Bytes.acknowledgement(0x40, 0x4001))
        #expect(client.completed == [1])
        client.reconnect(sessionPresent: true)
        #expect(client.takeSent() == Bytes.publish(0x3A, 0x4000))
        client.receive(Bytes.acknowledgement(0x40, 0x4000))
        client.reconnect(sessionPresent: true)
        #expect(client.takeSent() == [] && client.completed == [1, 0])
    }

    @Test("MQTT-4.3.2-2: QoS 1 is acknowledged when the application owns it; then the identifier is that of a new message")
    func atLeastOnceReceiver() {
        var client = WireClient.online()
        client.releasesAtOnce = false
        client.receive(Bytes.publish(0x32, 7, [1]))
        #expect(client.takeSent() == [])
        client.release(1)
        #expect(client.takeSent() == Bytes.acknowledgement(0x40, 7))
        client.receive(Bytes.publish(0x3A, 7, [2]))
        #expect(client.delivered.map(\.payload) == [[1], [2]])
    }

    @Test("MQTT-4.3.3-1: QoS 2 is PUBLISH, PUBREC, PUBREL, PUBCOMP, and no PUBLISH again after PUBREL") func exactlyOnceSender() throws {
        var client = WireClient.online()
        try client.publish("t", .exactlyOnce)
        #expect(client.takeSent() == Bytes.publish(0x34, 0x4000))
        client.receive(Bytes.acknowledgement(0x50, 0x4000))
        #expect(client.takeSent() == Bytes.acknowledgement(0x62, 0x4000))
        for _ in 0..<3 {
            client.reconnect(sessionPresent: true)
            #expect(client.takeSent() == Bytes.acknowledgement(0x62, 0x4000))
        }
        client.receive(Bytes.acknowledgement(0x70, 0x4000))
        #expect(client.completed == [0])
        client.reconnect(sessionPresent: true)
        #expect(client.takeSent() == [])
    }

    @Test("MQTT-4.3.3-2: QoS 2 has PUBREC each time and is delivered once; PUBREL has PUBCOMP and frees the identifier")
    func exactlyOnceReceiver() {
        var client = WireClient.online()
        client.receive(Bytes.publish(0x34, 7, [1]))
        client.receive(Bytes.publish(0x3C, 7, [1]))
        client.reconnect(sessionPresent: true)
        client.receive(Bytes.publish(0x3C, 7, [1]))
        #expect(client.takeSent() == Bytes.acknowledgement(0x50, 7))
        #expect(client.delivered.count == 1 && client.discarded == 2)
        client.receive(Bytes.acknowledgement(0x62, 7) + Bytes.acknowledgement(0x62, 7))
        #expect(client.takeSent() == Bytes.acknowledgement(0x70, 7) + Bytes.acknowledgement(0x70, 7))
        client.receive(Bytes.publish(0x34, 7, [2]))
        #expect(client.delivered.map(\.payload) == [[1], [2]])
    }

    @Test("MQTT-4.4.0-1: a reconnect resends open PUBLISH and PUBREL packets with their identifiers, both ways") func resend() throws {
        var pair = Pair(WireClient.named("sub"), WireClient.named("pub"))
        pair.connect(0)
        pair.connect(1)
        pair.clients[0].releasesAtOnce = false
        try pair.clients[0].subscribe(Subscription("#"))
        for (payload, qos) in [(0x31, QoS.atLeastOnce), (0x32, .exactlyOnce), (0x33, .atLeastOnce)] as [(UInt8, QoS)] {
            try pair.clients[1].publish("t", [payload], qos)
        }
        pair.settle()
        // The subscriber goes away with all three unreleased, and gets those of QoS 1 again.
        pair.reconnect(0)
        #expect(pair.texts(0) == ["t 1", "t 2", "t 3", "t 1", "t 3"])
        #expect(pair.clients[0].delivered.map(\.isDuplicate) == [false, false, false, true, true])
        for message in pair.clients[0].delivered { pair.clients[0].release(message.receipt) }
        pair.settle()
        #expect(pair.broker.pendingCount(of: "sub") == 0)
        #expect(pair.broker.violations == [] && pair.broker.suspicions == [])

        var client = WireClient.online()
        for qos in [QoS.exactlyOnce, .atLeastOnce, .exactlyOnce] { try client.publish("t", qos) }
        client.receive(Bytes.acknowledgement(0x50, 0x4002))
        client.reconnect(sessionPresent: true)
        let expected = Bytes.acknowledgement(0x62, 0x4002) + Bytes.publish(0x3C, 0x4000) + Bytes.publish(0x3A, 0x4001)
        #expect(Array(client.takeSent().suffix(expected.count)) == expected)
    }

    @Test("MQTT-4.6.0-1: PUBLISH packets are resent in the order of their first sending") func resendOrder() throws {
        var client = WireClient.online()
        for index in 0..<20 { try client.publish("t", index % 3 == 0 ? .exactlyOnce : .atLeastOnce) }
        client.receive(Bytes.acknowledgement(0x40, 0x4001) + Bytes.acknowledgement(0x40, 0x4007))
        for _ in 0..<3 {
            client.reconnect(sessionPresent: true)
            let expected = (0..<20 as Range<UInt16>).filter { $0 != 1 && $0 != 7 }
                .flatMap { Bytes.publish($0 % 3 == 0 ? 0x3C : 0x3A, 0x4000 + $0) }
            #expect(client.takeSent() == expected)
        }
    }

    @Test("MQTT-4.6.0-2 MQTT-4.6.0-3: PUBACK and PUBREC go out in the order of arrival, however the application releases")
    func acknowledgementOrder() {
        var client = WireClient.online()
        client.releasesAtOnce = false
        client.receive((1...4).flatMap { Bytes.publish(0x32, $0) } + (5...8).flatMap { Bytes.publish(0x34, $0) })
        for receipt in [8, 3, 5, 2, 1, 7, 4, 6] as [Receipt] { client.release(receipt) }
        let pubacks = (1...4).flatMap { Bytes.acknowledgement(0x40, $0) }
        let pubrecs = (5...8).flatMap { Bytes.acknowledgement(0x50, $0) }
        #expect(client.takeSent() == pubacks + pubrecs)
    }

    @Test("MQTT-4.6.0-4: PUBREL packets go out in the order of the PUBREC packets, again after a reconnect") func pubrelOrder() throws {
        var client = WireClient.online()
        for _ in 0..<5 { try client.publish("t", .exactlyOnce) }
        _ = client.takeSent()
        let order: [UInt16] = [0x4003, 0x4000, 0x4004, 0x4001, 0x4002]
        client.receive(order.flatMap { Bytes.acknowledgement(0x50, $0) })
        #expect(client.takeSent() == order.flatMap { Bytes.acknowledgement(0x62, $0) })
        client.reconnect(sessionPresent: true)
        #expect(client.takeSent() == order.flatMap { Bytes.acknowledgement(0x62, $0) })
    }

    @Test("MQTT-4.6.0-5 MQTT-4.6.0-6: messages of one publisher arrive in their order", arguments: QoS.allCases)
    func order(qos: QoS) throws {
        var pair = Pair(WireClient.named("sub"), WireClient.named("pub"))
        pair.connect(0)
        pair.connect(1)
        try pair.clients[0].subscribe(Subscription("#"))
        pair.settle()
        for value in 0..<200 as Range<UInt8> {
            try pair.clients[1].publish("t", [value], qos)
            if value % 50 == 7 { pair.settle() }
            if value % 60 == 30, qos == .exactlyOnce {
                pair.settle()
                pair.reconnect(1)
            }
        }
        pair.settle()
        #expect(pair.clients[0].delivered.map(\.payload) == (0..<200).map { [$0] })
    }
}
