import MQTT
import MQTTTesting
import Testing

/// What gives way in the queue of a session, durable or not, when it is full.
@Suite(.timeLimit(.minutes(4))) struct FullQueueTests {
    private static let levels = [QoS.atLeastOnce, .exactlyOnce]

    private func client(
        _ isDurable: Bool, _ action: QueueFullAction, in store: any SessionStore = MemorySessionStore(), count: Int = 3,
        bytes: Int = 1 << 20
    ) throws -> MQTTClient {
        var configuration = settings(dialer: nowhere, in: store) {
            $0.limits.atLeastOnce = count
            $0.limits.exactlyOnce = count
            $0.limits.queuedBytes = bytes
            $0.whenQueueIsFull = action
        }
        if !isDurable { configuration.session = .volatile(id: "client") }
        return try MQTTClient(configuration)
    }

    private func ends(_ deliveries: [Delivery]) async -> [MQTTError?] {
        var ends: [MQTTError?] = []
        for delivery in deliveries { ends.append(await failure { _ = try await delivery.completed }) }
        return ends
    }

    private func left(_ client: MQTTClient) async throws -> [UInt64?] { try await client.deliveries.all().map(\.delivery.id) }

    @Test(arguments: levels, [true, false])
    func refuseIsTheDefault(qos: QoS, isDurable: Bool) async throws {
        let client = try client(isDurable, Configuration(broker: .unix(path: "/"), session: .volatile(id: "a")).whenQueueIsFull)
        let deliveries = try (0..<3).map { try client.submit(Publication($0, qos)) }
        let error = await failure { try await client.publish(Publication(3, qos)) }
        #expect(error?.code == .tooManyRequests && error?.fate == .notSent)
        // The other level has places of its own.
        let other = try client.submit(Publication(4, qos == .atLeastOnce ? .exactlyOnce : .atLeastOnce))
        #expect(try await left(client) == (deliveries + [other]).map(\.id))
        await client.close()
    }

    @Test(arguments: levels, [true, false])
    func theOldestOfItsLevelGivesWay(qos: QoS, isDurable: Bool) async throws {
        let store = MemorySessionStore()
        let client = try client(isDurable, .dropOldest, in: store)
        let other = try client.submit(Publication(-1, qos == .atLeastOnce ? .exactlyOnce : .atLeastOnce))
        let deliveries = try (0..<10).map { try client.submit(Publication($0, qos)) }
        for error in await ends(Array(deliveries.prefix(7))) { #expect(error?.code == .evicted && error?.fate == .notSent) }
        #expect(try await left(client) == [other.id] + deliveries.suffix(3).map(\.id))
        await client.close()
        // What gave way does not come back.
        if isDurable { #expect(try store.keys().count == 1 + 4) }
    }

    @Test(arguments: levels, [true, false])
    func asManyGiveWayAsTheBytesTakeAndNoneInVain(qos: QoS, isDurable: Bool) async throws {
        let client = try client(isDurable, .dropOldest, count: 100, bytes: 100)
        func submit(_ bytes: Int) throws -> Delivery {
            try client.submit(Payload(bytes: [UInt8](repeating: 0, count: bytes)), to: "t", qos)
        }
        let deliveries = try (0..<4).map { _ in try submit(25) }
        let large = try submit(60)
        for error in await ends(Array(deliveries.prefix(3))) { #expect(error?.code == .evicted) }
        #expect(try await left(client) == [deliveries[3].id, large.id])
        let error = await failure { _ = try submit(101) }
        #expect(error?.code == .tooManyRequests)
        #expect(try await left(client) == [deliveries[3].id, large.id])
        await client.close()
    }

    @Test(arguments: levels, [true, false])
    func onlyTheNewestOfATopicIsKept(qos: QoS, isDurable: Bool) async throws {
        let client = try client(isDurable, .keepNewestPerTopic)
        let first = try client.submit(Publication(0, to: "a", qos))
        let second = try client.submit(Publication(1, to: "b", qos))
        let third = try client.submit(Publication(2, to: "a", qos))
        // Of a, the first is out of date; of b, the second becomes so; nothing makes room for c.
        let fourth = try client.submit(Publication(3, to: "b", qos))
        let fifth = try client.submit(Publication(4, to: "b", qos))
        for error in await ends([first, second]) { #expect(error?.code == .evicted && error?.fate == .notSent) }
        #expect(try await left(client) == [third, fourth, fifth].map(\.id))
        let sixth = try client.submit(Publication(5, to: "c", qos))
        #expect(await ends([fourth]).map(\.?.code) == [.evicted])
        let error = await failure { _ = try client.submit(Publication(6, to: "d", qos)) }
        #expect(error?.code == .tooManyRequests)
        #expect(try await left(client) == [third, fifth, sixth].map(\.id))
        await client.close()
    }

    @Test(arguments: levels, [true, false])
    func theOtherLevelGivesWayForBytesAloneAndNoneInVain(qos: QoS, isDurable: Bool) async throws {
        let other = qos == .atLeastOnce ? QoS.exactlyOnce : .atLeastOnce
        let client = try client(isDurable, .keepNewestPerTopic, bytes: 100)
        func submit(_ bytes: Int, _ topic: String, _ qos: QoS) throws -> Delivery {
            try client.submit(Payload(bytes: [UInt8](repeating: 0, count: bytes)), to: topic, qos)
        }
        let outdated = try submit(10, "a", other)
        let newest = try submit(10, "a", other)
        let own = try ["b", "c", "d"].map { try submit(10, $0, qos) }
        // A place of the own level is missing: what the other level could give does not help.
        let refused = await failure { _ = try submit(10, "e", qos) }
        #expect(refused?.code == .tooManyRequests)
        #expect(try await left(client).count == 5)
        // Bytes are missing as well: the outdated one of the other level goes with the one of the topic.
        let large = try submit(65, "b", qos)
        #expect(try await left(client) == [newest.id] + own.dropFirst().map(\.id) + [large.id])
        for error in await ends([outdated, own[0]]) { #expect(error?.code == .evicted) }
        let tooLarge = await failure { _ = try submit(101, "a", other) }
        #expect(tooLarge?.code == .tooManyRequests)
        #expect(try await left(client).count == 4)
        await client.close()
    }

    @Test(arguments: levels, [QueueFullAction.dropOldest, .keepNewestPerTopic])
    func whatIsOnItsWayStays(qos: QoS, action: QueueFullAction) async throws {
        let store = MemorySessionStore()
        try await withBroker(.memory) { broker, _ in
            var faults = FaultPlan()
            faults.add(.swallowAcknowledgements(.max), on: .connection(1))
            try await broker.setFaults(faults)
            var configuration = settings(broker, in: store)
            configuration.limits.atLeastOnce = 3
            configuration.limits.exactlyOnce = 3
            configuration.whenQueueIsFull = action
            let client = try MQTTClient(configuration)
            try await client.run { client in
                for number in 0..<3 { try await client.publish(Publication(number, qos)) }
                try await broker.wait { $0.receivedCount == 3 }
                let error = await failure { try await client.publish(Publication(3, qos)) }
                #expect(error?.code == .tooManyRequests && error?.fate == .notSent)
                try await broker.cutConnections()
            }
        }
        #expect(try store.keys() == [.client])
    }

    @Test(arguments: levels, [QueueFullAction.dropOldest, .keepNewestPerTopic])
    func afterARestartTheQueueOfTheRunBeforeGivesWay(qos: QoS, action: QueueFullAction) async throws {
        let store = MemorySessionStore()
        try await withBroker { broker in
            let first = try client(true, action, in: store)
            for number in 0..<3 { try await first.publish(Publication(number, to: number < 2 ? "a" : "b", qos)) }
            await first.close()
            let second = try client(true, action, in: store)
            let found = try await second.deliveries.all()
            try await second.publish(Publication(3, to: "c", qos))
            let error = try #require(await ends([found[0].delivery]).first)
            // An earlier run may have sent it.
            #expect(error?.code == .evicted && error?.fate == .unknown)
            await second.close()
            let third = try MQTTClient(settings(broker, in: store))
            try await third.run { _ in try await broker.wait { $0.receivedCount == 3 } }
            #expect(try await broker.received.map(\.text) == ["1", "2", "3"])
            #expect(try store.keys() == [.client])
        }
    }

    @Test(arguments: [QueueFullAction.refuse, .wait, .dropOldest, .keepNewestPerTopic], levels)
    func nothingGivesWayToWhatCannotBeStored(action: QueueFullAction, qos: QoS) async throws {
        let store = ScriptedStore()
        let client = try client(true, action, in: store)
        for number in 0..<3 { try await client.publish(Publication(number, qos)) }
        store.fail(with: ScriptedStore.full)
        // It is told of the failure by a message of the other level.
        let failing = await failure { try await client.publish(Publication(3, qos == .atLeastOnce ? .exactlyOnce : .atLeastOnce)) }
        #expect(failing?.code == .persistence)
        let error = await failure { try await client.publish(Publication(4, qos)) }
        #expect(error?.code == .persistence && error?.fate == .notSent)
        #expect(try await client.deliveries.all().count == 3)
        store.fail(with: nil)
        await client.close()
        #expect(try store.memory.keys().count == 4)
    }

    @Test(arguments: levels)
    func aPublisherThatWaitsLosesNothingOverARestart(qos: QoS) async throws {
        let store = MemorySessionStore()
        try await withBroker { broker in
            for run in 0..<3 {
                let client = try MQTTClient(
                    settings(broker, in: store) {
                        $0.limits.atLeastOnce = 3
                        $0.limits.exactlyOnce = 3
                        $0.whenQueueIsFull = .wait
                        $0.drainTimeout = run < 2 ? .zero : .seconds(50)
                    })
                try await client.run { client in
                    for number in run * 20..<run * 20 + 20 { try await client.publish(Publication(number, qos)) }
                }
            }
            var seen: Set<String> = []
            #expect(try await broker.received.map(\.text).filter { seen.insert($0).inserted } == (0..<60).map { "\($0)" })
            #expect(try store.keys() == [.client])
        }
    }
}
