// The table of CancellationAndErrors.md: per call, which code with which fate.
import MQTT
import MQTTTesting
import Testing

@Suite(.timeLimit(.minutes(1))) struct FateTests {
    /// A code and its fate.
    private struct Row: Equatable {
        let code: MQTTError.Code
        let fate: MQTTError.Fate

        init(_ code: MQTTError.Code, _ fate: MQTTError.Fate) {
            self.code = code
            self.fate = fate
        }
    }

    /// What `body` throws.
    private static func row<Value>(_ body: () async throws -> Value) async -> Row? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? MQTTError).map { Row($0.code, $0.fate) }
        }
    }

    private static let idle = Configuration(broker: .unix(path: "/nowhere"), session: .volatile(id: "idle"))

    /// Runs a client of a broker that is made for it.
    private static func withClient(
        fault: FaultPlan.Fault? = nil, denied filters: Set<String> = [], _ body: (TestBroker, MQTTClient) async throws -> Void
    ) async throws {
        var settings = TestBroker.Configuration()
        settings.address = .inMemory
        settings.broker.deniedFilters = filters
        if let fault { settings.faults.add(fault, on: .connection(1)) }
        var configuration = idle
        configuration.reconnect.minimum = .milliseconds(1)
        let broker = try await TestBroker.start(settings)
        configuration.dialer = broker.dialer
        try await MQTTClient(configuration).run { client in
            try await client.waitUntilOnline()
            try await body(broker, client)
        }
        try await broker.stop()
    }

    // MARK: Without a broker

    @Test func whatIsNotThereYetIsRefused() async {
        var configuration = Self.idle
        configuration.version = .v5_0
        #expect(await Self.row { try MQTTClient(configuration) } == Row(.unsupported, .denied))
    }

    @Test func invalidArgumentsAreDenied() async throws {
        var configuration = Self.idle
        configuration.keepAlive = .milliseconds(1_500)
        #expect(await Self.row { try MQTTClient(configuration) } == Row(.invalidArgument, .denied))

        configuration = Self.idle
        configuration.limits.atLeastOnce = 0
        let client = try MQTTClient(configuration)
        let denied = Row(.invalidArgument, .denied)
        #expect(await Self.row { try await client.publish("1", to: "a/#", .exactlyOnce) } == denied)
        #expect(await Self.row { try client.submit("1", to: "a", .atLeastOnce) } == denied)
        #expect(await Self.row { try await client.subscribe(to: []) } == denied)
        #expect(await Self.row { try await client.unsubscribe(from: ["a#"]) } == denied)
        #expect(await Self.row { try await Payload("12").collect(upTo: 1) } == denied)
    }

    @Test func withoutAConnection() async throws {
        let client = try MQTTClient(Self.idle)
        #expect(await Self.row { try client.submit("1", to: "a") } == Row(.down, .notSent))
        #expect(await Self.row { try client.submit("1", to: "a", .exactlyOnce) } == nil)
        #expect(await Self.row { try await client.disconnect() } == Row(.down, .notSent))
        #expect(await Self.row { try await client.disconnect() } == Row(.closed, .notSent))
    }

    @Test func aFullQueueRefuses() async throws {
        var configuration = Self.idle
        configuration.limits.exactlyOnce = 1
        let client = try MQTTClient(configuration)
        _ = try client.submit("1", to: "a", .exactlyOnce)
        #expect(await Self.row { try await client.publish("2", to: "a", .exactlyOnce) } == Row(.tooManyRequests, .notSent))
        await client.close()
    }

    @Test func afterTheEndEverythingIsClosed() async throws {
        let client = try MQTTClient(Self.idle)
        await client.close()
        let closed = Row(.closed, .notSent)
        #expect(await Self.row { try await client.run() } == closed)
        #expect(await Self.row { try await client.waitUntilOnline() } == closed)
        for qos in QoS.allCases { #expect(await Self.row { try await client.publish("1", to: "a", qos) } == closed) }
        #expect(await Self.row { try await client.subscribe(to: [Subscription("a")]) } == closed)
        #expect(await Self.row { try await client.unsubscribe(from: ["a"]) } == closed)
        #expect(await Self.row { try await client.ping() } == closed)
        await client.close()
    }

    @Test func aWithdrawnPublishWasNotSent() async throws {
        let client = try MQTTClient(Self.idle)
        let delivery = try client.submit("1", to: "a", .atLeastOnce)
        #expect(delivery.withdraw())
        #expect(await Self.row { try await delivery.completed } == Row(.withdrawn, .notSent))
        await client.close()
    }

    @Test func aWaitThatIsCanceledLeavesTheDelivery() async throws {
        let client = try MQTTClient(Self.idle)
        let delivery = try client.submit("1", to: "a", .atLeastOnce)
        let wait = Task { try await delivery.completed }
        wait.cancel()
        #expect(await Self.row { try await wait.value } == Row(.canceled, .kept))
        #expect(delivery.withdraw())
        await client.close()
    }

    // MARK: With a broker

    @Test func aRefusedFirstConnectionEndsTheClient() async throws {
        var settings = TestBroker.Configuration()
        settings.address = .inMemory
        settings.faults.add(.refuse(code: 5), on: .every)
        let broker = try await TestBroker.start(settings)
        var configuration = Self.idle
        configuration.dialer = broker.dialer
        configuration.retriesFirstConnect = false
        let client = try MQTTClient(configuration)
        #expect(await Self.row { try await client.run() } == Row(.connectionRefused, .refusedByBroker))
        #expect(await Self.row { try await client.waitUntilOnline() } == Row(.connectionRefused, .refusedByBroker))
        try await broker.stop()
    }

    @Test func aRefusedFilterHasTheFateOfTheBroker() async throws {
        try await Self.withClient(denied: ["b"]) { _, client in
            let both = [Subscription("a"), Subscription("b")]
            #expect(await Self.row { try await client.subscribe(to: both) } == Row(.subscribeFailed, .refusedByBroker))
        }
    }

    @Test func whatIsUnfinishedAtTheEndIsSuspended() async throws {
        try await Self.withClient(fault: .swallowAcknowledgements(1)) { broker, client in
            let delivery = try await client.publish("1", to: "a", .atLeastOnce)
            try await broker.wait { $0.receivedCount == 1 }
            try await client.disconnect()
            #expect(await Self.row { try await delivery.completed } == Row(.suspended, .unknown))
        }
    }

    @Test func aRequestThatIsCanceledAfterItWasSentIsAbandoned() async throws {
        try await Self.withClient(fault: .swallowAcknowledgements(1)) { broker, client in
            let request = try client.submitSubscribe(to: [Subscription("a")])
            // What was submitted behind it has arrived, so the request has.
            try await client.publish("1", to: "b")
            try await broker.wait { $0.receivedCount == 1 }
            let wait = Task { try await request.response }
            wait.cancel()
            #expect(await Self.row { try await wait.value } == Row(.abandoned, .unknown))
        }
    }

    @Test func theConnectionIsLostWhileAnAnswerIsAwaited() async throws {
        try await Self.withClient(fault: .swallowAcknowledgements(1)) {
            broker, client in
            let request = try client.submitUnsubscribe(from: ["a"])
            try await client.publish("1", to: "b")
            try await broker.wait { $0.receivedCount == 1 }
            try await broker.cutConnections()
            #expect(await Self.row { try await request.response } == Row(.connectionLost, .unknown))
        }
    }
    @Test func aHandlerWhoseOwnQueueIsFullDoesNotWaitForEver() async throws {
        var settings = TestBroker.Configuration()
        settings.address = .inMemory
        let broker = try await TestBroker.start(settings)
        var configuration = Self.idle
        configuration.dialer = broker.dialer
        configuration.limits.receivedMessages = 1
        try await MQTTClient(configuration).run { client in
            try await client.subscribe(to: "a") { messages in
                for number: UInt8 in 0..<3 { try await broker.publish([number], to: "a", qos: 1) }
                var handled = 0
                for try await _ in messages {
                    let delivery = try await client.publish("1", to: "b", .atLeastOnce)
                    #expect(await Self.row { try await delivery.completed } == Row(.deliveryStalled, .kept))
                    handled += 1
                    if handled == 3 { break }
                }
            }
        }
        #expect(try await broker.received.count { $0.topic == "b" } == 3)
        try await broker.stop()
    }

    @Test func cancelingRunEndsTheClient() async throws {
        var settings = TestBroker.Configuration()
        settings.address = .inMemory
        let broker = try await TestBroker.start(settings)
        var configuration = Self.idle
        configuration.dialer = broker.dialer
        let client = try MQTTClient(configuration)
        let run = Task { try await client.run() }
        try await client.waitUntilOnline()
        run.cancel()
        #expect(await Self.row { try await run.value } == nil)
        #expect(await Self.row { try await client.waitUntilOnline() } == Row(.closed, .notSent))
        try await broker.stop()
    }
}
