import Foundation
import MQTT
import MQTTCore
import MQTTTesting
import Synchronization
import Testing

/// The stores that a client can have.
enum StoreKind: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case memory
    case journal
    case directory

    static let onDisk: [StoreKind] = [.journal, .directory]

    var testDescription: String { rawValue }

    /// What opens the same store again and again.
    func maker(at path: String) -> @Sendable () -> any SessionStore {
        switch self {
        case .memory:
            let store = MemorySessionStore()
            return { store }
        case .journal: return { JournalSessionStore(at: path) }
        case .directory: return { DirectorySessionStore(at: path) }
        }
    }
}

/// A directory for the time of `body`.
func withDirectory(_ body: (String) async throws -> Void) async throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "mqtt-durable-\(UUID())")
    defer { try? FileManager.default.removeItem(at: directory) }
    try await body(directory.path())
}

/// A broker, and a store of each kind in a directory of its own.
func withBroker(
    _ kind: StoreKind, _ change: (inout TestBroker.Configuration) -> Void = { _ in },
    _ body: (TestBroker, @Sendable () -> any SessionStore) async throws -> Void
) async throws {
    try await withDirectory { path in
        try await withBroker(change) { broker in try await body(broker, kind.maker(at: path + "/store")) }
    }
}

/// The settings of a durable session.
func settings(
    _ broker: TestBroker, in store: any SessionStore, _ start: SessionOptions.Start = .resume, id: String = "client",
    change: (inout Configuration) -> Void = { _ in }
) -> Configuration {
    settings(dialer: broker.dialer, in: store, start, id: id, change: change)
}

func settings(
    dialer: any Dialer, in store: any SessionStore, _ start: SessionOptions.Start = .resume, id: String = "client",
    change: (inout Configuration) -> Void = { _ in }
) -> Configuration {
    settings(dialer: dialer) {
        $0.session = .durable(id: id, in: store, start)
        // A sanitizer, or a slow disk, takes its time.
        $0.drainTimeout = .seconds(50)
        change(&$0)
    }
}

/// No broker at all: for clients that are not run.
let nowhere = TCPDialer(host: "127.0.0.1", port: 1)

/// A store in memory whose commits a test holds back, and lets fail, and that keeps account of them.
final class ScriptedStore: SessionStore {
    struct State {
        var failure: MQTTError?
        var commits: [[StoreChange]] = []
        var unreadable: Set<RecordKey> = []
        var flushesFail = false
        var failedFlushes = 0
        var isOpen = false
        var waiting: [(@Sendable (ScriptedStore) -> Bool, CheckedContinuation<Void, Never>)] = []
    }

    let memory: any SessionStore
    private let state = Mutex(State())
    private let gate = Gate()

    init(_ memory: any SessionStore = MemorySessionStore()) { self.memory = memory }

    static let full = MQTTError(.persistence, .notSent, "the disk of the test is full")

    /// Commits wait from now on.
    func hold() { gate.close() }

    func release() { gate.open() }

    /// Commits fail from now on, or succeed again.
    func fail(with error: MQTTError?) { state.withLock { $0.failure = error } }

    func makeUnreadable(_ keys: Set<RecordKey>) { state.withLock { $0.unreadable = keys } }

    func failFlushes(_ fail: Bool) { state.withLock { $0.flushesFail = fail } }

    var failedFlushes: Int { state.withLock { $0.failedFlushes } }
    var commits: [StoreChange] { state.withLock { $0.commits.flatMap(\.self) } }
    var isOpen: Bool { state.withLock { $0.isOpen } }

    /// Returns as soon as the condition holds.
    func wait(until condition: @escaping @Sendable (ScriptedStore) -> Bool) async {
        await withCheckedContinuation { continuation in
            state.withLock { $0.waiting.append((condition, continuation)) }
            tell()
        }
    }

    private func tell() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        for (condition, continuation) in waiting {
            if condition(self) { continuation.resume() } else { state.withLock { $0.waiting.append((condition, continuation)) } }
        }
    }

    // MARK: SessionStore

    func open() throws(MQTTError) -> StoreContents {
        let contents = try memory.open()
        state.withLock { $0.isOpen = true }
        return contents
    }

    func record(of key: RecordKey) throws(MQTTError) -> StoredRecord {
        if state.withLock({ $0.unreadable.contains(key) }) { throw MQTTError(.persistence, .notSent, "the record is damaged") }
        return try memory.record(of: key)
    }

    func commit(_ changes: [StoreChange]) throws(MQTTError) {
        let failure = state.withLock { state in
            state.commits.append(changes)
            return state.failure
        }
        tell()
        gate.pass()
        if let failure = state.withLock({ $0.failure }) ?? failure { throw failure }
        try memory.commit(changes)
    }

    func flush() throws(MQTTError) {
        let fails = state.withLock { state in
            if state.flushesFail { state.failedFlushes += 1 }
            return state.flushesFail
        }
        tell()
        if fails { throw Self.full }
        try memory.flush()
    }

    func close() {
        memory.close()
        state.withLock { $0.isOpen = false }
        tell()
    }
}

extension ScriptedStore {
    /// The publishes that commits were asked for.
    var publishes: [RecordKey] {
        commits.compactMap { change in
            if case .put(let key, _, _) = change, case .publish = key { key } else { nil }
        }
    }
}

extension SessionStore {
    /// What a store that is closed holds.
    func keys() throws -> [RecordKey] {
        defer { close() }
        return try open().map(\.key)
    }
}

extension OutstandingDeliveries {
    func all() async throws(MQTTError) -> [OutstandingDelivery] {
        var all: [OutstandingDelivery] = []
        var iterator = makeAsyncIterator()
        while let delivery = try await iterator.next() { all.append(delivery) }
        return all
    }
}

extension Publication {
    /// One whose payload is its number.
    init(_ number: Int, to topic: String = "t", _ qos: QoS, key: String? = nil) {
        self.init(Payload("\(number)"), to: topic, qos, correlationKey: key)
    }
}

extension ReceivedPublish {
    var text: String { String(decoding: payload, as: UTF8.self) }
}

/// Stops a thread for as long as it is closed. A store blocks its thread, so this has to.
final class Gate: Sendable {
    private let condition = NSCondition()
    private let isOpen = Mutex(true)

    func close() { isOpen.withLock { $0 = false } }

    func open() {
        condition.withLock {
            isOpen.withLock { $0 = true }
            condition.broadcast()
        }
    }

    func pass() {
        condition.withLock {
            while !isOpen.withLock({ $0 }) { condition.wait() }
        }
    }
}
