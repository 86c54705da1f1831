import DiskSimulation
import MQTTCore
import Synchronization
import Testing

@testable import MQTTPersistence

/// The thread that all stores share.
@Suite struct StoreWriterTests {
    /// So many failures are left.
    private struct Countdown: ExpressibleByIntegerLiteral {
        var rest: Int
        init(integerLiteral rest: Int) { self.rest = rest }

        mutating func next() -> Bool {
            defer { rest = max(0, rest - 1) }
            return rest > 0
        }
    }

    /// A store in memory that fails as often as it is told, counts, and waits for a signal before each commit if there is one.
    private final class ScriptedStore: SessionStore {
        let memory = MemorySessionStore()
        let durability: Durability
        let gate: WakeUp?
        let failures: Mutex<Countdown>
        let flushFailures: Mutex<Countdown>
        let commits = Mutex<[Int]>([])
        let begun: AsyncStream<Void>.Continuation
        let flushed: AsyncStream<Void>.Continuation

        init(
            failures: Countdown = 0, flushFailures: Countdown = 0, gate: WakeUp? = nil, durability: Durability = .everyCommit,
            begun: AsyncStream<Void>.Continuation = AsyncStream.makeStream().continuation,
            flushed: AsyncStream<Void>.Continuation = AsyncStream.makeStream().continuation
        ) throws {
            self.failures = Mutex(failures)
            self.flushFailures = Mutex(flushFailures)
            self.gate = gate
            self.durability = durability
            self.begun = begun
            self.flushed = flushed
            _ = try memory.open()
        }

        func open() throws(MQTTError) -> StoreContents { try memory.open() }
        func record(of key: RecordKey) throws(MQTTError) -> StoredRecord { try memory.record(of: key) }
        func flush() throws(MQTTError) {
            if flushFailures.withLock({ $0.next() }) { throw .cannotWrite(SimulatedDisk.full) }
            flushed.yield()
        }
        func close() { memory.close() }

        func commit(_ changes: [StoreChange]) throws(MQTTError) {
            begun.yield()
            gate?.wait(atMost: nil)
            if failures.withLock({ $0.next() }) { throw .cannotWrite(SimulatedDisk.full) }
            commits.withLock { $0.append(changes.count) }
            try memory.commit(changes)
        }
    }

    private func queue(_ writer: StoreWriter, _ store: any SessionStore) throws -> (StoreQueue, AsyncStream<StoreEvent>.Iterator) {
        let (events, continuation) = AsyncStream<StoreEvent>.makeStream()
        return (try writer.queue(for: store) { continuation.yield($0) }, events.makeAsyncIterator())
    }

    private func close(_ queue: StoreQueue) async -> MQTTError? {
        await withCheckedContinuation { continuation in queue.close { continuation.resume(returning: $0) } }
    }

    @Test("What comes while a commit is under way shares the next one")
    func groups() async throws {
        let (begun, continuation) = AsyncStream<Void>.makeStream()
        var commits = begun.makeAsyncIterator()
        let gate = try WakeUp()
        let store = try ScriptedStore(gate: gate, begun: continuation)
        var (queue, events) = try queue(StoreWriter(), store)
        queue.commit([.put(.publish(1))], number: 1)
        await commits.next()
        for number in 2...1000 as ClosedRange<UInt64> { queue.commit([.put(.publish(number))], number: number) }
        gate.signal()
        #expect(await events.next() == .stored(upTo: 1))
        await commits.next()
        gate.signal()
        #expect(await events.next() == .stored(upTo: 1000))
        #expect(store.commits.withLock { $0 } == [1, 999])
        #expect(await close(queue) == nil)
        #expect(try store.open().map(\.key) == (1...1000).map { .publish($0) })
    }

    @Test("A store that fails is tried again, later each time, with everything in order; others go on meanwhile")
    func failures() async throws {
        let writer = StoreWriter(firstRetry: .milliseconds(1), lastRetry: .milliseconds(4))
        let store = try ScriptedStore(failures: 4)
        var (queue, events) = try queue(writer, store)
        var (other, otherEvents) = try self.queue(writer, ScriptedStore())
        queue.commit([.put(.publish(1)), .put(.inbound(1))], number: 2)
        queue.commit([.delete(.inbound(1))], number: 3)
        var delays: [Duration] = []
        var number: UInt64 = 0
        var count: UInt64 = 0
        while number < 3 {
            count += 1
            other.commit([.put(.publish(count))], number: count)
            #expect(await otherEvents.next() == .stored(upTo: count))
            switch await events.next() {
            case .failed(let error, let delay):
                #expect(error.code == .persistence)
                delays.append(delay)
            case .stored(let upTo): number = upTo
            case nil: throw MQTTError.storeNotOpen()
            }
        }
        #expect(delays == [.milliseconds(1), .milliseconds(2), .milliseconds(4), .milliseconds(4)])
        #expect(await close(queue) == nil)
        #expect(await close(other) == nil)
        #expect(try store.open().map(\.key) == [.publish(1)])
    }

    @Test("The end of a store that fails says why")
    func closing() async throws {
        let store = try ScriptedStore(failures: 100)
        var (queue, events) = try queue(StoreWriter(firstRetry: .seconds(3600)), store)
        queue.commit([.put(.publish(1))], number: 1)
        #expect(await events.next() == .failed(.cannotWrite(SimulatedDisk.full), retryAfter: .seconds(5)))
        #expect(await close(queue)?.code == .persistence)
        #expect(try store.open().isEmpty)
    }

    @Test("Records are read on the writer's thread, while a commit waits to be tried again too")
    func reading() async throws {
        let store = try ScriptedStore()
        var (queue, events) = try queue(StoreWriter(firstRetry: .seconds(3600), lastRetry: .seconds(3600)), store)
        queue.commit([.put(.publish(1), body: [1, 2, 3])], number: 1)
        #expect(await events.next() == .stored(upTo: 1))
        store.failures.withLock { $0 = 1 }
        queue.commit([.put(.publish(2))], number: 2)
        #expect(await events.next() == .failed(.cannotWrite(SimulatedDisk.full), retryAfter: .seconds(3600)))
        let body = await withCheckedContinuation { continuation in
            queue.perform { continuation.resume(returning: try? $0.record(of: .publish(1)).body) }
        }
        #expect(body == [1, 2, 3])
        #expect(await close(queue) == nil)
        #expect(try store.open().map(\.key) == [.publish(1), .publish(2)])
    }

    @Test("What was committed without a sync is flushed while nothing else comes")
    func flush() async throws {
        let (flushed, continuation) = AsyncStream<Void>.makeStream()
        var flushes = flushed.makeAsyncIterator()
        let store = try ScriptedStore(durability: .interval(.milliseconds(1)), flushed: continuation)
        let (queue, _) = try queue(StoreWriter(), store)
        queue.commit([.put(.publish(1))], number: 1)
        await flushes.next()
        #expect(await close(queue) == nil)
    }

    @Test("When a flush fails and then goes well, both are told: else a session would wait for ever before it accepts anything")
    func flushFails() async throws {
        let store = try ScriptedStore(flushFailures: 1, durability: .interval(.milliseconds(1)))
        var (queue, events) = try queue(StoreWriter(firstRetry: .milliseconds(1)), store)
        queue.commit([.put(.publish(1))], number: 1)
        #expect(await events.next() == .stored(upTo: 1))
        #expect(await events.next() == .failed(.cannotWrite(SimulatedDisk.full), retryAfter: .milliseconds(1)))
        #expect(await events.next() == .stored(upTo: 1))
        #expect(await close(queue) == nil)
    }

    @Test("The thread ends with the last store, and another follows with the next")
    func threads() async throws {
        let writer = StoreWriter()
        for _ in 0..<50 {
            let store = try ScriptedStore()
            let (queue, _) = try queue(writer, store)
            queue.commit([.put(.publish(1))], number: 1)
            #expect(await close(queue) == nil)
            #expect(try store.open().count == 1)
        }
    }
}
