import Dispatch
import MQTT
import MQTTTesting
import Synchronization
import Testing

@testable import mqttc

/// What is published to a store in a stream shares its commits.
@Suite(.timeLimit(.minutes(1))) struct GroupCommitTests {
    /// Holds the first commit of a publish until it is let go, and counts such commits.
    private final class HeldCommits: SessionStore {
        private let store = MemorySessionStore()
        private let isOpen = DispatchSemaphore(value: 0)
        private let commits = Mutex(0)

        var count: Int { commits.withLock { $0 } }

        func letGo() { isOpen.signal() }

        func open() throws(MQTTError) -> StoreContents { try store.open() }

        func record(of key: RecordKey) throws(MQTTError) -> StoredRecord { try store.record(of: key) }

        func commit(_ changes: [StoreChange]) throws(MQTTError) {
            let hasPublish = changes.contains { if case .put(.publish, _, _) = $0 { true } else { false } }
            if hasPublish {
                let isFirst = commits.withLock { count in
                    count += 1
                    return count == 1
                }
                if isFirst { isOpen.wait() }
            }
            try store.commit(changes)
        }

        func close() { store.close() }
    }

    private func withClient(_ body: (MQTTClient, HeldCommits) async throws -> Void) async throws {
        let broker = try await TestBroker.start()
        let store = HeldCommits()
        let client = try MQTTClient(
            Configuration(broker: .tcp(host: "127.0.0.1", port: broker.port), session: .durable(id: "c", in: store)))
        let running = Task { try await client.run() }
        try await client.waitUntilOnline()
        do {
            try await body(client, store)
        } catch {
            Issue.record(error)
        }
        store.letGo()
        await client.close()
        _ = await running.result
        try await broker.stop()
    }

    /// Returns when so many are on their way. With a sync for each, there never are.
    private func wait(for count: Int, _ client: MQTTClient) async throws {
        while true {
            var outstanding = 0
            for try await _ in client.deliveries { outstanding += 1 }
            if outstanding == count { return }
            await Task.yield()
        }
    }

    @Test func benchmarks() async throws {
        try await withClient { client, store in
            let meter = BenchMeter()
            let sender = LoadSender(
                client: client, topic: "a", qos: .atLeastOnce, size: 16, numbers: 0..<250, window: 100,
                pace: Pace(rate: nil, clients: 1, start: 0), meter: meter, isStored: true)
            async let sent: Void = sender.run()
            // The window, and not one more.
            try await wait(for: 100, client)
            store.letGo()
            try await sent
            #expect((meter.completed, meter.lost) == (250, 0))
            #expect(store.count < 250)
        }
    }

    @Test func outboxes() async throws {
        try await withClient { client, store in
            let progress = PublishProgress()
            let intake = OutboxIntake(client, topic: "a", qos: .exactlyOnce, retain: false, progress: progress)
            async let taken: Void = intake.run { intake in
                for number in 0..<500 { try await intake.take(Payload("\(number)")) }
            }
            try await wait(for: 500, client)
            // None of them is on disk.
            #expect((progress.handedOverCount, progress.acceptedCount) == (500, 0))
            store.letGo()
            try await taken
            #expect(progress.acceptedCount == 500)
            #expect(store.count <= 2)
        }
    }

    @Test func outboxesTellWhatIsNotOnDisk() async throws {
        try await withClient { client, store in
            let progress = PublishProgress()
            let intake = OutboxIntake(client, topic: "a", qos: .atLeastOnce, retain: false, progress: progress)
            store.letGo()
            await #expect(throws: MQTTError.self) {
                try await intake.run { intake in
                    try await intake.take("one")
                    await client.close()
                    try await intake.take("two")
                }
            }
            #expect(progress.handedOverCount == 1)
        }
    }
}
