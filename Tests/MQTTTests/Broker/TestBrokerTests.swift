import MQTTTesting
import NIOCore
import Testing

/// The broker behind sockets: transports, restarts, observation, back-pressure, large payloads.
@Suite("TestBroker", .timeLimit(.minutes(2)))
struct TestBrokerTests {
    func with(
        _ configure: (inout TestBroker.Configuration) -> Void = { $0.address = .inMemory },
        _ body: (TestBroker) async throws -> Void
    ) async throws {
        var configuration = TestBroker.Configuration()
        configure(&configuration)
        let broker = try await TestBroker.start(configuration)
        do { try await body(broker) } catch {
            try await broker.stop()
            throw error
        }
        try await broker.stop()
    }

    @Test("One exchange over every transport", arguments: ["memory", "tcp", "unix"])
    func transports(name: String) async throws {
        let path = "/tmp/swift-mqtt-\(UInt64.random(in: 0 ... .max))"
        try await with {
            $0.address = name == "tcp" ? .tcp() : name == "unix" ? .unix(path: path) : .inMemory
        } _: { broker in
            #expect((broker.port != 0) == (name == "tcp"))
            try await RawClient.with(broker, name == "tcp" ? .tcp : name == "unix" ? .unix(path) : .memory) { client in
                let connack = try await client.connect("a")
                #expect(connack == bytes("20 02 00 00"))
                try await client.send("82 06 00 01 00 01 't' 02")
                #expect(await client.receive(5) == bytes("90 03 00 01 02"))
                try await client.send("34 06 00 01 't' 00 07 'x'")
                #expect(await client.receive(4 + 8) == bytes("50 02 00 07 34 06 00 01 't' 00 01 'x'"))
                #expect(try await broker.connectedClients == ["a"])
                #expect(try await broker.received.map(\.topic) == ["t"])
                try await client.send("E0 00")
                #expect(await client.isEnded())
            }
            try await broker.wait { $0.connectedClients.isEmpty }
            #expect(try await broker.violations == [])
        }
    }

    @Test("The broker publishes, repeats, sends raw bytes, refuses and disconnects")
    func operate() async throws {
        try await with { broker in
            try await broker.refuseNext(3)
            try await RawClient.with(broker) { client in
                let connack = try await client.connect("a")
                #expect(connack == bytes("20 02 00 03"))
                #expect(await client.isEnded())
            }
            try await RawClient.with(broker) { client in
                _ = try await client.connect("a")
                try await client.send("82 06 00 01 00 01 't' 02")
                _ = await client.receive(5)
                try await broker.publish([1], to: "t", qos: 1)
                #expect(await client.receive(8) == bytes("32 06 00 01 't' 00 01 01"))
                #expect(try await broker.duplicateLastPublish(to: "a"))
                #expect(await client.receive(8) == bytes("3A 06 00 01 't' 00 01 01"))
                #expect(try await broker.send(raw: [0xF0, 0], to: "a"))
                #expect(await client.receive(2) == [0xF0, 0])
                try await broker.disconnect("a")
                #expect(await client.isEnded())
            }
            await #expect(throws: TestBrokerError.self) { try await broker.publish([], to: "a/#") }
            await #expect(throws: TestBrokerError.self) { try await broker.publish([], to: "a", qos: 3) }
        }
    }

    @Test("A restart on the same port keeps the state, or loses it", arguments: [true, false])
    func restart(keepingState: Bool) async throws {
        try await with {
            $0.address = .tcp()
        } _: { broker in
            let port = broker.port
            try await RawClient.with(broker, .tcp) { client in
                _ = try await client.connect("a", clean: false)
                try await client.send("82 06 00 01 00 01 't' 01")
                _ = await client.receive(5)
                try await broker.goOffline()
                #expect(await client.isEnded())
            }
            await #expect(throws: (any Error).self) { try await RawClient.with(broker, .tcp) { _ in } }
            await #expect(throws: TestBrokerError.self) { try await RawClient.with(broker) { _ in } }
            try await broker.goOnline(keepingState: keepingState)
            #expect(broker.port == port)
            try await broker.publish([1], to: "t", qos: 1)
            try await RawClient.with(broker, .tcp) { client in
                let connack = try await client.connect("a", clean: false)
                #expect(connack == [0x20, 2, keepingState ? 1 : 0, 0])
                guard keepingState else { return }
                #expect(await client.receive(8) == bytes("32 06 00 01 't' 00 01 01"))
            }
        }
    }

    @Test("Received messages as a sequence; a wait that is cancelled throws")
    func observe() async throws {
        try await with { broker in
            let stream = try await broker.receivedPublishes()
            try await RawClient.with(broker) { client in
                _ = try await client.connect("a")
                try await client.send("30 04 00 01 't' '1' 30 04 00 01 'u' '2'")
                var iterator = stream.makeAsyncIterator()
                #expect(await iterator.next()?.topic == "t")
                #expect(await iterator.next()?.payload == bytes("'2'"))
                try await broker.wait { $0.receivedCount == 2 }
            }
            let waiting = Task { try await broker.wait { $0.receivedCount == 3 } }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
        }
    }

    @Test("64 MiB pass through in pieces")
    func large() async throws {
        try await with { broker in
            try await RawClient.with(broker) { client in
                _ = try await client.connect("a")
                try await client.send("82 06 00 01 00 01 't' 00")
                _ = await client.receive(5)
                let payload = [UInt8](repeating: 0x5A, count: 64 << 20)
                // 67,108,867 is 3 + 32 * 128 * 128 * 128.
                let head = bytes("30 83 80 80 20 00 01 't'")
                async let sent: Void = client.send(head + payload)
                #expect(await client.receive(head.count) == head)
                #expect(await client.receive(payload.count) == payload)
                try await sent
            }
        }
    }

    @Test("Nothing is lost between a fast publisher and a slow subscriber, and a dead one holds up nobody for ever")
    func congestion() async throws {
        try await with {
            $0.address = .inMemory
            $0.broker.queueLimit = 1000
        } _: { broker in
            let count = 200_000
            let message = bytes("30 13 00 01 't' '0123456789abcdef'")
            try await RawClient.with(broker) { subscriber in
                _ = try await subscriber.connect("s")
                try await subscriber.send("82 06 00 01 00 01 't' 00")
                _ = await subscriber.receive(5)
                try await RawClient.with(broker) { publisher in
                    _ = try await publisher.connect("p")
                    let batch = [UInt8]((0..<1000).map { _ in message }.joined())
                    let sent = Task {
                        for _ in 0..<count / 1000 { try await publisher.send(batch) }
                    }
                    for _ in 0..<count / 1000 { #expect(await subscriber.receive(batch.count) == batch) }
                    try await sent.value
                    #expect(try await broker.snapshot.droppedCount == 0)
                    // Now it does not read any more.
                    for _ in 0..<count / 1000 { try await publisher.send(batch) }
                    try await broker.wait { $0.receivedCount == 2 * count }
                    #expect(try await broker.snapshot.droppedCount > 0)
                }
            }
        }
    }
}
