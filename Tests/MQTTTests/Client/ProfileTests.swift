import MQTTCore
import NIOCore
import Testing

@testable import MQTT

/// Brokers that depart from the standard: what the client does about it.
@Suite(.timeLimit(.minutes(1))) struct ProfileTests {
    private func configuration(_ dialer: (any Dialer)? = nil) -> Configuration {
        var configuration = Configuration(broker: .tls(host: "x-ats.iot.example", port: 443), session: .volatile(id: "thing"))
        configuration.profile = .awsIoTCore
        configuration.dialer = dialer
        configuration.reconnect.minimum = .milliseconds(1)
        return configuration
    }

    private func denial(_ change: (inout Configuration) -> Void) -> MQTTError? {
        var configuration = configuration()
        change(&configuration)
        do {
            _ = try MQTTClient(configuration)
            return nil
        } catch {
            return error
        }
    }

    @Test("AWS IoT Core: what it does not take is refused when the client is made")
    func configurations() {
        #expect(denial { _ in } == nil)
        #expect(denial { $0.session = .volatile(id: String(repeating: "x", count: 129)) }?.code == .invalidArgument)
        #expect(denial { $0.keepAlive = .zero }?.code == .invalidArgument)
        #expect(denial { $0.keepAlive = .seconds(29) }?.code == .invalidArgument)
        #expect(denial { $0.keepAlive = .seconds(1_201) }?.code == .invalidArgument)
        #expect(denial { $0.will = Will("x", to: "w", .exactlyOnce) }?.code == .invalidArgument)
        #expect(denial { $0.broker.tls = nil }?.code == .invalidArgument)
        #expect(denial { $0.fallbacks = [.tcp(host: "b")] }?.code == .invalidArgument)
    }

    @Test("AWS IoT Core: on port 443 its application protocol is offered, unless others are or WebSocket is spoken")
    func applicationProtocol() throws {
        func offered(_ broker: Broker) -> [String]? { BrokerProfile.awsIoTCore.completed(broker).tls?.applicationProtocols }
        #expect(offered(.tls(host: "a", port: 443)) == ["x-amzn-mqtt-ca"])
        #expect(offered(.tls(host: "a")) == [])
        #expect(offered(try Broker("wss://a/mqtt")) == [])
        var broker = Broker.tls(host: "a", port: 443)
        broker.tls?.applicationProtocols = ["mqtt"]
        #expect(offered(broker) == ["mqtt"])
        #expect(BrokerProfile.strict.completed(.tls(host: "a", port: 443)).tls?.applicationProtocols == [])
    }

    @Test("AWS IoT Core: publishes and requests beyond its bounds are denied")
    func requests() async throws {
        let client = try MQTTClient(configuration())
        func code(_ topic: String, _ qos: QoS = .atMostOnce, bytes: Int = 1) -> MQTTError.Code? {
            do {
                _ = try client.submit(Payload(bytes: [UInt8](repeating: 0, count: bytes)), to: topic, qos)
                return nil
            } catch {
                return error.code
            }
        }
        #expect(code("t", .exactlyOnce) == .invalidArgument)
        #expect(code("t", .atLeastOnce) == nil)
        #expect(code("t", .atLeastOnce, bytes: 128 << 10) == nil)
        #expect(code("t", .atLeastOnce, bytes: 128 << 10 + 1) == .invalidArgument)
        #expect(code("a/b/c/d/e/f/g/h", .atLeastOnce) == nil)
        #expect(code("a/b/c/d/e/f/g/h/i", .atLeastOnce) == .invalidArgument)
        #expect(code("$aws/things/x/shadow/name/y/update/accepted", .atLeastOnce) == nil)
        #expect(code("$aws/things/x/shadow/name/y/update/accepted/a", .atLeastOnce) == .invalidArgument)
        #expect(code("$aws/rules/rule/a/b/c/d/e/f/g/h", .atLeastOnce) == nil)
        #expect(code("$aws/rules/rule/a/b/c/d/e/f/g/h/i", .atLeastOnce) == .invalidArgument)
        #expect(code("$aws/rules/rule/" + String(repeating: "x", count: 256), .atLeastOnce) == nil)
        #expect(code(String(repeating: "x", count: 257), .atLeastOnce) == .invalidArgument)
        let filters = (0..<9).map { "f/\($0)" }
        #expect(throws: MQTTError.self) { try client.submitSubscribe(to: filters.map { Subscription($0) }) }
        #expect(throws: MQTTError.self) { try client.submitUnsubscribe(from: filters) }
        await client.close()
    }

    @Test("AWS IoT Core: subscriptions ask for QoS 1 at most, and 100 publishes are in flight")
    func lowered() async throws {
        let server = try await ScriptedBroker.start()
        var settings = configuration(server.dialer)
        settings.broker = .tcp(host: "in.memory")
        settings.limits.inFlight = 1_000
        settings.limits.atLeastOnce = 1_000
        let client = try MQTTClient(settings)
        let run = Task { try await client.run() }
        let peer = try await server.accept()
        try await client.waitUntilOnline()
        async let subscribed = client.subscribe(to: [Subscription("t")])
        let subscribe = try await peer.packet(0x80)
        #expect(subscribe.last == 1)
        try await peer.send([0x90, 3] + subscribe[2...3] + [1])
        _ = try await subscribed
        let deliveries = try client.submit(contentsOf: (0..<150).map { Publication(Payload("\($0)"), to: "t", .atLeastOnce) })
        for _ in 0..<100 { _ = try await peer.packet(0x30) }
        async let ping = client.ping()
        #expect(try await peer.packet()[0] == 0xC0)
        try await peer.send([0xD0, 0])
        _ = try await ping
        #expect(deliveries.count == 150)
        await client.close()
        try await run.value
        try await server.stop()
    }
}
