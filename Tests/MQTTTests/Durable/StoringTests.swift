import MQTT
import MQTTTesting
import NIOCore
import Testing

/// When a publish of a durable session counts as accepted, and what is told meanwhile.
@Suite(.timeLimit(.minutes(4))) struct StoringTests {
    @Test(arguments: [QoS.atLeastOnce, .exactlyOnce])
    func publishReturnsWhenStored(qos: QoS) async throws {
        let store = ScriptedStore()
        let client = try MQTTClient(settings(dialer: nowhere, in: store))
        store.hold()
        let isStored = LockedBox(false)
        let publishing = Task {
            let delivery = try await client.publish("x", to: "t", qos)
            isStored.withValue { $0 = true }
            return delivery
        }
        await store.wait { !$0.publishes.isEmpty }
        #expect(!isStored.value)
        store.release()
        let delivery = try await publishing.value
        #expect(try store.memory.record(of: .publish(try #require(delivery.id))).body == Array("x".utf8))
        try await delivery.stored()
        await client.close()
    }

    @Test func submitReturnsAtOnceAndStoredIsTold() async throws {
        let store = ScriptedStore()
        let client = try MQTTClient(settings(dialer: nowhere, in: store))
        store.hold()
        let delivery = try client.submit("x", to: "t", .atLeastOnce)
        var progress = delivery.progress.makeAsyncIterator()
        await store.wait { !$0.publishes.isEmpty }
        // A second one shares the next commit, and is stored with it.
        let second = try client.submit("y", to: "t", .exactlyOnce)
        store.release()
        try await second.stored()
        try await delivery.stored()
        #expect(await progress.next() == .stored)
        await client.close()
        guard case .failed(let error) = await progress.next() else {
            Issue.record("the end of the client is not told")
            return
        }
        #expect(error.code == .suspended && error.fate == .kept)
    }

    @Test func nothingIsSentBeforeItIsStored() async throws {
        let store = ScriptedStore()
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker, in: store))
            try await client.run { client in
                try await client.waitUntilOnline()
                store.hold()
                let delivery = try client.submit("x", to: "t", .atLeastOnce)
                await store.wait { !$0.publishes.isEmpty }
                try await client.ping()
                #expect(try await broker.received.isEmpty)
                store.release()
                _ = try await delivery.completed
            }
            #expect(try await broker.received.count == 1)
        }
    }

    @Test func cancelingWhileStoringLeavesTheMessageOnItsWay() async throws {
        let store = ScriptedStore()
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker, in: store))
            store.hold()
            let publishing = Task { try await client.publish("x", to: "t", .atLeastOnce) }
            await store.wait { !$0.publishes.isEmpty }
            publishing.cancel()
            let error = await failure { _ = try await publishing.value }
            #expect(error?.code == .abandoned && error?.fate == .unknown)
            store.release()
            try await client.run { _ in try await broker.wait { $0.receivedCount == 1 } }
        }
    }

    @Test func cancelingTheWaitForStoredLeavesTheMessageAlone() async throws {
        let store = ScriptedStore()
        let client = try MQTTClient(settings(dialer: nowhere, in: store))
        store.hold()
        let delivery = try client.submit("x", to: "t", .atLeastOnce)
        let waiting = Task { try await delivery.stored() }
        waiting.cancel()
        let error = await failure { try await waiting.value }
        #expect(error?.code == .canceled && error?.fate == .kept)
        store.release()
        try await delivery.stored()
        await client.close()
    }

    @Test func aPublishThatIsWithdrawnWhileStoringDoesNotComeBack() async throws {
        let store = ScriptedStore()
        let client = try MQTTClient(settings(dialer: nowhere, in: store))
        store.hold()
        let publishing = Task { try await client.publish("x", to: "t", .exactlyOnce) }
        await store.wait { !$0.publishes.isEmpty }
        let found = try await client.deliveries.all().first
        #expect(found?.delivery.withdraw() == true)
        let error = await failure { _ = try await publishing.value }
        #expect(error?.code == .withdrawn)
        store.release()
        await client.close()
        #expect(try store.memory.keys() == [.client])
    }

    @Test func closingWhileStoringStoresAndSuspends() async throws {
        let store = ScriptedStore()
        let client = try MQTTClient(settings(dialer: nowhere, in: store))
        store.hold()
        let delivery = try client.submit("x", to: "t", .atLeastOnce)
        var states = client.connectionStates.makeAsyncIterator()
        let closing = Task { await client.close() }
        #expect(await states.next() == .closed)
        // The end of the client waits for the store.
        #expect(store.isOpen)
        store.release()
        await closing.value
        #expect(!store.isOpen)
        try await delivery.stored()
        let error = await failure { _ = try await delivery.completed }
        #expect(error?.code == .suspended && error?.fate == .kept)
        #expect(try store.memory.keys() == [.client, .publish(try #require(delivery.id))])
    }

    @Test(arguments: StoreKind.allCases)
    func payloadsOfSourcesAreReadBeforeTheyAreStored(kind: StoreKind) async throws {
        try await withBroker(kind) { broker, store in
            let first = try MQTTClient(settings(broker, in: store()))
            let delivery = try await first.publish(Payload(source: Pattern(count: 600_000)), to: "t", .exactlyOnce)
            try await delivery.stored()
            let error = await failure { _ = try first.submit(Payload(source: Pattern(count: 10)), to: "t", .atLeastOnce) }
            #expect(error?.code == .invalidArgument && error?.fate == .denied)
            let broken = await failure { try await first.publish(Payload(source: Unreadable()), to: "t", .atLeastOnce) }
            #expect(broken?.code == .payloadUnavailable && broken?.fate == .notSent)
            await first.close()
            let second = try MQTTClient(settings(broker, in: store()))
            try await second.run { client in
                try await client.waitUntilOnline()
                // At QoS 0 nothing is stored.
                _ = try await client.publish(Payload(source: Pattern(count: 300_000)), to: "t")
                try await broker.wait { $0.receivedCount == 2 }
            }
            let payloads = try await broker.received.sorted { $0.qos < $1.qos }.map(\.payload)
            #expect(payloads == [Pattern.bytes(0..<300_000), Pattern.bytes(0..<600_000)])
        }
    }
}

/// A source that has nothing.
private struct Unreadable: PayloadSource {
    let count = 10

    func read(at offset: Int, count: Int) async throws -> ByteBuffer { ByteBuffer() }
}
