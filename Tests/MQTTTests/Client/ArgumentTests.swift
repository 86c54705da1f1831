import MQTT
import MQTTTesting
import NIOCore
import Testing

/// Every invalid argument is refused before anything is sent, with an error that names the rule.
@Suite(.timeLimit(.minutes(1))) struct ArgumentTests {
    @Test func publishAndRequestsDenyBeforeAnythingIsSent() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                let long = String(repeating: "x", count: 65_536)
                for topic in ["", "a/+", "a/#", "#", "nul\u{0}", long] {
                    for qos in [QoS.atMostOnce, .atLeastOnce, .exactlyOnce] {
                        let error = await failure { try await client.publish("x", to: topic, qos) }
                        #expect(error?.code == .invalidArgument && error?.fate == .denied, "\(topic.prefix(10))")
                    }
                }
                for filter in ["", "a#", "a/#/b", "a+", "+a/b", "nul\u{0}", long] {
                    let errors = [
                        await failure { try await client.subscribe(to: [Subscription("fine"), Subscription(filter)]) },
                        await failure { try await client.subscribe(to: "fine", filter) { _ in } },
                        await failure { try await client.unsubscribe(from: [filter]) },
                    ]
                    for error in errors { #expect(error?.code == .invalidArgument && error?.fate == .denied, "\(filter.prefix(10))") }
                }
                #expect(await failure { try await client.subscribe(to: []) }?.citation == "MQTT-3.8.3-3")
                #expect(await failure { try await client.unsubscribe(from: []) }?.citation == "MQTT-3.10.3-2")
                for count in [-1, 268_435_456, .max] {
                    for qos in [QoS.atMostOnce, .exactlyOnce] {
                        let error = await failure { try await client.publish(Payload(source: Pattern(count: count)), to: "t", qos) }
                        #expect(error?.code == .invalidArgument && error?.fate == .denied)
                    }
                }
                try await client.ping()
            }
            #expect(try await broker.received.isEmpty)
        }
    }

    @Test func aSourceThatChangesItsCountIsTakenAtItsFirstWord() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                _ = try await client.publish(Payload(source: Growing()), to: "t", .atLeastOnce).completed
            }
            #expect(try await broker.received.map(\.payload.count) == [100])
        }
    }

    private final class Growing: PayloadSource {
        private let calls = LockedBox(99)
        var count: Int {
            calls.withValue { calls in
                calls += 1
                return calls
            }
        }

        func read(at offset: Int, count: Int) async throws -> ByteBuffer { ByteBuffer(repeating: 1, count: count) }
    }

    @Test(arguments: 0..<Self.broken.count)
    func configurationsThatCannotBeHonouredThrow(index: Int) async throws {
        var configuration = Configuration(broker: .tcp(host: "127.0.0.1"), session: .volatile(id: "x"))
        Self.broken[index](&configuration)
        let error = #expect(throws: MQTTError.self) { try MQTTClient(configuration) }
        #expect(error?.fate == .denied && error?.message.isEmpty == false)
    }

    private static let broken: [@Sendable (inout Configuration) -> Void] = [
        { $0.version = .v5_0 },
        { $0.keepAlive = .seconds(65_536) }, { $0.keepAlive = .milliseconds(1_500) }, { $0.keepAlive = .seconds(-1) },
        { $0.password = [1] }, { $0.username = "nul\u{0}" }, { $0.username = String(repeating: "x", count: 65_536) },
        {
            $0.username = "x"
            $0.password = [UInt8](repeating: 0, count: 65_536)
        },
        { $0.will = Will("x", to: "a/+") }, { $0.will = Will("x", to: "") },
        { $0.will = Will([UInt8](repeating: 0, count: 65_536), to: "t") },
        { $0.session = .volatile(id: "nul\u{0}") }, { $0.session = .volatile(id: String(repeating: "x", count: 65_536)) },
        { $0.limits.inFlight = 0 }, { $0.limits.requests = 0 }, { $0.limits.requests = 65_536 }, { $0.limits.atLeastOnce = -1 },
        { $0.limits.outboundBytes = 0 }, { $0.limits.receivedMessages = 0 }, { $0.limits.receivedBytes = 0 },
        { $0.limits.maximumPacketSize = 3 }, { $0.limits.queuedBytes = -1 },
        { $0.pauseTimeout = .seconds(-1) }, { $0.connectTimeout = .zero }, { $0.drainTimeout = .seconds(-1) },
        { $0.reconnect.minimum = .seconds(61) }, { $0.reconnect.minimum = .seconds(-1) }, { $0.reconnect.stableTime = .seconds(-1) },
        { $0.unclaimed.grace = .seconds(-1) },
        { $0.broker = .tcp(host: "") }, { $0.broker = .tcp(host: "x", port: 0) }, { $0.broker = .tcp(host: "x", port: 65_536) },
        { $0.broker = .unix(path: "") }, { $0.broker = .unix(path: String(repeating: "x", count: 104)) },
    ]

    @Test func theLongestDurationsAreHonoured() async throws {
        let forever = Duration.seconds(Int64.max)
        try await withBroker { broker in
            let client = try MQTTClient(
                settings(broker) {
                    $0.pauseTimeout = forever
                    $0.connectTimeout = forever
                    $0.drainTimeout = forever
                    $0.reconnect.maximum = forever
                    $0.reconnect.stableTime = forever
                    $0.unclaimed.grace = forever
                    $0.keepAlive = .seconds(65_535)
                })
            try await client.run { client in
                try await client.waitUntilOnline()
                try await client.subscribe(to: [Subscription("t")])
                _ = try await client.publish("x", to: "t", .exactlyOnce).completed
                try await client.ping(timeout: forever)
                try await broker.cutConnections()
                try await broker.wait { $0.connectionCount == 2 && !$0.connectedClients.isEmpty }
                #expect(try await client.messages.texts(1) == ["x"])
            }
        }
    }

    @Test(arguments: [
        "", "host", "http://host", "mqtt://", "mqtt://host:0", "mqtt://host:65536", "mqtt://host:x", "mqtt://host/path", "mqtt://host?q",
        "mqtt://[::1", "mqtt://%zz", "mqtts://", "mqtts://host/path", "ws://", "ws://host#x", "ws://host/a b", "mqtt+unix://",
        "mqtt+unix:path", "mqtt+unix://host/path", "mqtt://host/#", "wss://[::1]x",
    ])
    func noURL(text: String) {
        let error = #expect(throws: MQTTError.self) { try MQTTClient(broker: text, session: .volatile(id: "x")) }
        #expect(error?.fate == .denied)
    }

    @Test func schemes() throws {
        let tls = try Broker("mqtts://u:p%40@host")
        #expect(tls.description == "mqtts://host:8883")
        #expect(tls.tls == TLSOptions())
        #expect(tls.username == "u" && tls.password == "p@")
        #expect(try Broker("MQTT://[::1]").description == "mqtt://[::1]:1883")
        #expect(try Broker("ws://host").webSocket == WebSocketOptions(path: "/mqtt"))
        #expect(try Broker("ws://host/").webSocket == WebSocketOptions(path: "/"))
        let secure = try Broker("wss://host/a%20b?token=secret")
        #expect(secure.webSocket?.path == "/a%20b?token=secret")
        #expect(secure.tls == TLSOptions())
        #expect(secure.description == "wss://host:443/a%20b")
        #expect(try Broker("mqtt+unix:///a%20b").description == "mqtt+unix:///a b")
    }
}
