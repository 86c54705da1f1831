import DiskSimulation
import MQTT
import MQTTCore
import MQTTPersistence
import MQTTTesting
import Testing

/// A small store of a client, with every byte wrong, one at a time, and cut off everywhere.
@Suite(.timeLimit(.minutes(4))) struct DamagedStoreTests {
    /// On a disk in memory.
    private static func store(_ kind: StoreKind, on disk: SimulatedDisk) -> any SessionStore {
        switch kind {
        case .memory, .journal: JournalSessionStore(at: "store", files: disk)
        case .directory: DirectorySessionStore(at: "store", files: disk)
        }
    }

    private static let qos: [QoS] = [.atLeastOnce, .exactlyOnce, .atLeastOnce, .exactlyOnce, .exactlyOnce, .atLeastOnce]

    /// What two clients that never ran have left behind, and PUBREC for the second message.
    private func files(_ kind: StoreKind) async throws -> (files: [String: [UInt8]], first: Serial) {
        let disk = SimulatedDisk()
        let store = Self.store(kind, on: disk)
        var ids: [Serial] = []
        for numbers in [0..<3, 3..<6] {
            let client = try MQTTClient(settings(dialer: nowhere, in: store))
            for number in numbers {
                let publication = Publication(number, to: "topic/\(number)", Self.qos[number], key: "key-\(number)")
                ids.append(try #require(try await client.publish(publication).id))
            }
            await client.close()
        }
        _ = try store.open()
        try store.commit([.put(.received(ids[1])), .put(.inbound(7))])
        store.close()
        #expect(ids == ids.indices.map { ids[0] + UInt64($0) })
        return (disk.files, ids[0])
    }

    /// Every file with a byte wrong, and cut off.
    private func damaged(_ files: [String: [UInt8]]) -> [(label: String, files: [String: [UInt8]])] {
        var all: [(String, [String: [UInt8]])] = []
        for (path, bytes) in files.sorted(by: { $0.key < $1.key }) {
            for position in bytes.indices {
                var flipped = files
                flipped[path]?[position] ^= position % 2 == 0 ? 0xFF : 1 << UInt8(position % 8)
                all.append(("byte \(position) of \(path)", flipped))
                var cut = files
                cut[path] = Array(bytes[..<position])
                all.append(("\(path) cut to \(position) bytes", cut))
            }
        }
        return all
    }

    /// The numbers that go on, in order, each with its payload as it was.
    private func resumed(_ store: any SessionStore, _ label: String) throws -> (numbers: [Serial], damage: [StoreDamage]) {
        let contents = try store.open(for: "client", .resume)
        defer { store.close() }
        var configuration = SessionConfiguration()
        configuration.isDurable = true
        var session = Session(configuration, seed: 1)
        let damage = session.resume(from: contents, at: Instant(nanoseconds: 0), wallClock: 0)
        let numbers = session.unfinished(in: 0..<session.outboundEnd, upTo: .max).map(\.serial)
        #expect(contents.clientID == "client", "\(label)")
        for entry in contents where numbers.contains(where: { entry.key == .publish($0) }) {
            let head = try #require(StoredPublishHead(entry.head), "\(label)")
            let record = try store.record(of: entry.key)
            #expect(head.topic == "topic/\(String(decoding: record.body, as: UTF8.self))", "\(label)")
        }
        return (numbers, damage)
    }

    @Test(arguments: StoreKind.onDisk)
    func anyByteAndAnyTruncation(kind: StoreKind) async throws {
        let (files, first) = try await files(kind)
        let all = (0..<6).map { first + UInt64($0) }
        for (label, files) in damaged(files) {
            let disk = SimulatedDisk()
            disk.files = files
            let store = Self.store(kind, on: disk)
            let (numbers, damage) = try resumed(store, label)
            #expect(numbers == all.filter { numbers.contains($0) }, "\(label): in order")
            // A cut takes the records behind it with it; a crash before the write looks the same.
            let isCut = label.contains("cut")
            if !isCut { #expect(all.count - numbers.count <= 1, "\(label): at most the damaged record is lost") }
            if !isCut, numbers != all { #expect(!damage.isEmpty, "\(label): it is told") }
            let again = try resumed(store, label + ", the second time")
            #expect(again.numbers == numbers, "\(label): two resumptions in a row keep the order")
        }
    }

    @Test(arguments: StoreKind.onDisk)
    func aClientDeliversTheRestInOrder(kind: StoreKind) async throws {
        let (files, first) = try await files(kind)
        let damaged = damaged(files)
        var cases = 0
        for index in stride(from: 0, to: damaged.count, by: max(1, damaged.count / 40)) {
            cases += 1
            let disk = SimulatedDisk()
            disk.files = damaged[index].files
            let label = damaged[index].label
            try await withBroker { broker in
                // The broker knows the session, and takes what was past PUBREC for delivered.
                let client = try MQTTClient(settings(broker, in: Self.store(kind, on: disk)))
                let found = try await client.deliveries.all()
                #expect(found.map { $0.correlationKey ?? "" } == found.map { "key-\($0.topic.dropFirst(6))" }, "\(label)")
                #expect(found.map { $0.delivery.id } == found.map { UInt64($0.topic.dropFirst(6)).map { $0 + first } }, "\(label)")
                if found.count < 6, !label.contains("cut") { #expect(!client.storeDamage.isEmpty, "\(label)") }
                try await client.run { _ in
                    for delivery in found { _ = try await delivery.delivery.completed }
                }
                #expect(try await broker.received.map(\.topic) == found.map(\.topic), "\(label)")
            }
            #expect(try Self.store(kind, on: disk).keys() == [.client], "\(label)")
        }
        #expect(cases >= 40)
    }
}
