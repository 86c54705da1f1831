import MQTT
import MQTTTesting
import NIOCore
import Testing

/// Giving up a publish that a broker ends the connection for, so that those behind it get through.
@Suite(.timeLimit(.minutes(1))) struct AbandonTests {
    @Test("A publish that ends each connection is given up, and what waited behind it goes out", arguments: [1, 2] as [UInt8])
    func poison(_ level: UInt8) async throws {
        let qos = try #require(QoS(rawValue: level))
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer) { $0.limits.inFlight = 1 })
        let run = Task { try await client.run() }
        let poison = try client.submit("poison", to: "t", qos)
        let good = try client.submit("good", to: "t", .atLeastOnce)
        for _ in 0..<3 {
            let peer = try await server.accept(sessionPresent: true)
            #expect(try await peer.packet(0x30).suffix(6) == Array("poison".utf8))
            try await peer.close()
        }
        var peer = try await server.accept(sessionPresent: true)
        _ = try await peer.packet(0x30)
        #expect(!poison.withdraw())
        #expect(poison.abandon())
        #expect(poison.abandon(), "it stays given up")
        let error = await failure { _ = try await poison.completed }
        #expect(error?.code == .abandoned && error?.fate == .unknown)
        // The connection that it was sent on is given up.
        peer = try await server.accept(sessionPresent: true)
        if qos == .exactlyOnce {
            // Should the broker have it, its identifier is to be set free.
            let pubrel = try await peer.packet()
            #expect(pubrel[0] == 0x62)
            try await peer.send([0x70, 2, pubrel[2], pubrel[3]])
        }
        let publish = try await peer.packet()
        #expect(publish.suffix(4) == Array("good".utf8))
        try await peer.send([0x40, 2, publish[5], publish[6]])
        _ = try await good.completed
        await client.close()
        try await run.value
        try await server.stop()
    }

    @Test("What was never sent is taken back")
    func unsent() async throws {
        let client = try MQTTClient(settings(dialer: TCPDialer(host: "127.0.0.1", port: 1)))
        let delivery = try client.submit("x", to: "t", .exactlyOnce)
        #expect(delivery.abandon())
        let error = await failure { _ = try await delivery.completed }
        #expect(error?.code == .withdrawn && error?.fate == .notSent)
        await client.close()
    }

    @Test("A QoS 2 publish that the broker has confirmed goes on to its end; what is complete cannot be given up")
    func received() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        let run = Task { try await client.run() }
        let delivery = try client.submit("x", to: "t", .exactlyOnce)
        let peer = try await server.accept()
        let publish = try await peer.packet(0x30)
        try await peer.send([0x50, 2, publish[5], publish[6]])
        #expect(try await peer.packet() == [0x62, 2, publish[5], publish[6]])
        #expect(!delivery.abandon())
        try await peer.send([0x70, 2, publish[5], publish[6]])
        _ = try await delivery.completed
        #expect(!delivery.abandon())
        await client.close()
        try await run.value
        try await server.stop()
    }

    @Test("In a durable session it does not come back")
    func durable() async throws {
        let server = try await ScriptedBroker.start()
        let store = MemorySessionStore()
        func client() throws -> MQTTClient {
            try MQTTClient(settings(dialer: server.dialer) { $0.session = .durable(id: "client", in: store) })
        }
        let first = try client()
        let running = Task { try await first.run() }
        for text in ["poison", "good"] { try await first.publish(Payload(text), to: "t", .atLeastOnce) }
        let peer = try await server.accept(sessionPresent: true)
        #expect(try await peer.packet(0x30).suffix(6) == Array("poison".utf8))
        #expect(try await first.deliveries.all().first?.delivery.abandon() == true)
        await first.close()
        try await running.value

        let second = try client()
        #expect(try await second.deliveries.all().count == 1)
        let again = Task { try await second.run() }
        var publish: [UInt8] = []
        while publish.isEmpty {
            // The first client may have begun to connect again before it was closed.
            do { publish = try await server.accept(sessionPresent: true).packet(0x30) } catch is ChannelError {}
        }
        #expect(publish.suffix(4) == Array("good".utf8))
        await second.close()
        try await again.value
        try await server.stop()
    }
}
