import MQTT
import MQTTTesting
import Testing

/// The queue of a durable session: what of it is in memory, what is found again, what gives way, and what grows too old.
@Suite(.timeLimit(.minutes(4))) struct StoredQueueTests {
    @Test(arguments: StoreKind.allCases, [true, false])
    func payloadsComeBackFromTheStoreInOrder(kind: StoreKind, restarts: Bool) async throws {
        // A file for each message costs two syncs.
        let count = kind == .journal && restarts ? 10_000 : 1_000
        try await withBroker(kind, { $0.recordLimit = count }) { broker, store in
            let change: @Sendable (inout Configuration) -> Void = {
                $0.limits.memoryBytes = 2_000
                $0.limits.atLeastOnce = count
                $0.limits.exactlyOnce = count
            }
            func publications() -> [Publication] {
                (0..<count).map { Publication(Payload("payload \($0)"), to: "t/\($0 % 7)", $0 % 3 == 0 ? .exactlyOnce : .atLeastOnce) }
            }
            var client = try MQTTClient(settings(broker, in: store(), change: change))
            let last = try client.submit(contentsOf: publications()).last
            try await last?.stored()
            if restarts {
                await client.close()
                client = try MQTTClient(settings(broker, in: store(), change: change))
            }
            try await client.run { _ in }
            #expect(try await broker.received.map(\.text) == (0..<count).map { "payload \($0)" })
            #expect(try store().keys() == [.client])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func deliveriesAreFoundAgainByTheirKey(kind: StoreKind) async throws {
        try await withBroker(kind) { broker, store in
            let first = try MQTTClient(settings(broker, in: store()))
            for number in 0..<300 {
                let qos = number % 2 == 0 ? QoS.atLeastOnce : .exactlyOnce
                _ = try first.submit(Publication(number, to: "t/\(number)", qos, key: number % 3 == 0 ? nil : "order-\(number)"))
            }
            try await first.publish(Publication(Payload("last"), to: "last", .exactlyOnce, retain: true, correlationKey: "last"))
            await first.close()
            let second = try MQTTClient(settings(broker, in: store()))
            let found = try await second.deliveries.all()
            #expect(found.map(\.topic) == (0..<300).map { "t/\($0)" } + ["last"])
            #expect(found.prefix(300).map(\.correlationKey) == (0..<300).map { $0 % 3 == 0 ? nil : "order-\($0)" })
            #expect(found.map(\.qos) == (0..<301).map { $0 % 2 == 0 && $0 < 300 ? .atLeastOnce : .exactlyOnce })
            #expect(found.last?.correlationKey == "last" && found.last?.retain == true && found.last?.payloadCount == 4)
            let order = try #require(found.first { $0.correlationKey == "order-151" }).delivery
            // An earlier run may have sent it.
            #expect(!order.withdraw())
            try await order.stored()
            let late = try await second.publish(Publication(Payload("late"), to: "late", .atLeastOnce, correlationKey: "late"))
            #expect(try await second.deliveries.all().count == 302)
            #expect(late.withdraw())
            try await second.run { client in
                _ = try await order.completed
                for delivery in found { _ = try await delivery.delivery.completed }
                #expect(try await client.deliveries.all().isEmpty)
            }
            #expect(try await broker.received.map(\.topic) == (0..<300).map { "t/\($0)" } + ["last"])
            #expect(try store().keys() == [.client])
        }
    }

    @Test func aKeyGoesWithEveryWayToPublish() async throws {
        let client = try MQTTClient(settings(dialer: nowhere, in: MemorySessionStore()))
        try await client.publish(Publication(0, .atLeastOnce, key: "a"))
        _ = try client.submit(Publication(1, .exactlyOnce, key: "b"))
        _ = try client.submit(contentsOf: [Publication(2, .atLeastOnce, key: "c")])
        #expect(try await client.deliveries.all().map(\.correlationKey) == ["a", "b", "c"])
        await client.close()
        let ended = await failure { _ = try await client.deliveries.all() }
        #expect(ended?.code == .closed)
    }

    @Test func theDeliveriesOfAVolatileSessionAreListedToo() async throws {
        let client = try MQTTClient(settings(dialer: nowhere))
        let delivery = try client.submit(Publication(0, .atLeastOnce, key: "a"))
        let found = try await client.deliveries.all()
        #expect(found.map(\.correlationKey) == ["a"] && found.first?.delivery.id == delivery.id)
        #expect(found.first?.delivery.withdraw() == true)
        #expect(try await client.deliveries.all().isEmpty)
    }

    @Test func aRecordThatCannotBeReadIsToldWhenDeliveriesAreListed() async throws {
        let store = ScriptedStore()
        let first = try MQTTClient(settings(dialer: nowhere, in: store))
        let deliveries = try first.submit(contentsOf: (0..<5).map { Publication($0, .atLeastOnce) })
        await first.close()
        store.makeUnreadable([.publish(try #require(deliveries[2].id))])
        let second = try MQTTClient(settings(dialer: nowhere, in: store))
        var iterator = second.deliveries.makeAsyncIterator()
        var ids: [UInt64?] = []
        var errors: [MQTTError.Code] = []
        while true {
            do throws(MQTTError) {
                guard let found = try await iterator.next() else { break }
                ids.append(found.delivery.id)
            } catch { errors.append(error.code) }
        }
        #expect(ids == [0, 1, 3, 4].map { deliveries[$0].id })
        #expect(errors == [.persistence])
        await second.close()
    }

    @Test(arguments: [MQTTError.Fate.kept])
    func aCanceledWaitForAFoundDeliveryLeavesItAlone(fate: MQTTError.Fate) async throws {
        let store = MemorySessionStore()
        let first = try MQTTClient(settings(dialer: nowhere, in: store))
        try await first.publish(Publication(0, .atLeastOnce))
        await first.close()
        let second = try MQTTClient(settings(dialer: nowhere, in: store))
        let delivery = try #require(try await second.deliveries.all().first).delivery
        let waiting = Task { try await delivery.completed }
        waiting.cancel()
        #expect(await failure { _ = try await waiting.value }?.fate == fate)
        await second.close()
        let ended = await failure { _ = try await delivery.completed }
        #expect(ended?.code == .suspended && ended?.fate == fate)
        #expect(try store.keys().count == 2)
    }

    // MARK: Age

    @Test(arguments: StoreKind.allCases)
    func timeOnDiskCounts(kind: StoreKind) async throws {
        try await withDirectory { path in
            let store = kind.maker(at: path + "/store")
            let first = try MQTTClient(settings(dialer: nowhere, in: store()))
            try await first.publish(Publication(0, .atLeastOnce))
            await first.close()
            // Tenths of a second, rounded up: it is too old as soon as a tenth has passed on the clock on the wall.
            let change: (inout Configuration) -> Void = { $0.limits.queuedAge = .nanoseconds(1) }
            let second = try MQTTClient(settings(dialer: nowhere, in: store(), change: change))
            let found = try await second.deliveries.all()
            if let delivery = found.first?.delivery {
                let error = await failure { _ = try await delivery.completed }
                // An earlier run may have sent it.
                #expect(error?.code == .expired && error?.fate == .unknown)
            }
            await second.close()
            #expect(try store().keys() == [.client])
        }
    }

    @Test(arguments: [true, false], [QoS.atLeastOnce, .exactlyOnce])
    func whatWaitsForTooLongEndsThoughNothingElseHappens(isDurable: Bool, qos: QoS) async throws {
        // A client that is not run, and hears of nothing.
        var configuration = settings(dialer: nowhere, in: MemorySessionStore()) { $0.limits.queuedAge = .milliseconds(100) }
        if !isDurable { configuration.session = .volatile(id: "client") }
        let client = try MQTTClient(configuration)
        let delivery = try client.submit(Publication(0, qos))
        let error = await failure { _ = try await delivery.completed }
        #expect(error?.code == .expired && error?.fate == .notSent)
        await client.close()
    }
}
