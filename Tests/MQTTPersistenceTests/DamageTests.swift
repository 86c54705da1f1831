import DiskSimulation
import MQTTCore
import MQTTPersistence
import Testing

/// A small store with every byte wrong, one at a time, and cut off everywhere.
@Suite struct DamageTests {
    private static let records: [RecordKey: Value] = {
        var records: [RecordKey: Value] = [.client: Value([65])]
        for number in 0..<6 as Range<UInt64> {
            records[.publish(number)] = Value([UInt8(number)], [UInt8](repeating: UInt8(number), count: 20))
        }
        records[.received(2)] = Value()
        records[.inbound(9)] = Value()
        return records
    }()

    private static let order: [RecordKey] = [.client] + (0..<6).map { .publish($0) } + [.inbound(9), .received(2)]

    /// Written in two sessions, so that there is a file that is finished and one that is not.
    private func files(_ kind: StoreKind) throws -> [String: [UInt8]] {
        let disk = SimulatedDisk()
        let store = kind.store(on: disk)
        for keys in [Self.order[..<4], Self.order[4...]] {
            _ = try store.open()
            for key in keys { try store.commit([.put(key, head: Self.records[key]?.head ?? [], body: Self.records[key]?.body ?? [])]) }
            store.close()
        }
        return disk.files
    }

    /// Opens it twice, with a commit in between. Returns what was lost.
    private func lost(_ kind: StoreKind, _ files: [String: [UInt8]], _ label: String) throws -> (keys: Set<RecordKey>, warnings: Int) {
        let disk = SimulatedDisk()
        disk.files = files
        let store = kind.store(on: disk)
        let (keys, values, damage) = try store.openAndRead()
        #expect(keys == Self.order.filter { values[$0] != nil }, "\(label): the rest is in order")
        #expect(values.allSatisfy { Self.records[$0.key] == $0.value }, "\(label): the rest is as it was")
        try store.commit([.put(.publish(100))])
        store.close()
        let again = try store.openAndRead()
        #expect(again.keys.filter { $0 != .publish(100) } == keys && again.values[.publish(100)] == Value(), "\(label): the second time")
        return (Set(Self.order).subtracting(keys), damage.count)
    }

    @Test("Any byte is wrong: at most its record is lost, and that is reported", arguments: StoreKind.onDisk, [UInt8(0x01), 0x80, 0xFF])
    func flips(_ kind: StoreKind, _ mask: UInt8) throws {
        let files = try files(kind)
        for (path, bytes) in files.sorted(by: { $0.key < $1.key }) {
            for position in bytes.indices {
                var damaged = files
                damaged[path]?[position] ^= mask
                let label = "\(path) byte \(position)"
                let (keys, warnings) = try lost(kind, damaged, label)
                #expect(keys.count <= 1, "\(label): \(keys)")
                #expect(warnings > 0, "\(label)")
            }
        }
    }

    @Test("A file ends early: what is before is intact, and a cut within a record is reported", arguments: StoreKind.onDisk)
    func truncations(_ kind: StoreKind) throws {
        let files = try files(kind)
        let last = files.keys.max() ?? ""
        for (path, bytes) in files.sorted(by: { $0.key < $1.key }) {
            var lostBefore = Set(Self.order)
            for length in bytes.indices {
                var damaged = files
                damaged[path] = Array(bytes[..<length])
                let (keys, warnings) = try lost(kind, damaged, "\(path) cut to \(length)")
                // The longer it is, the less is lost.
                #expect(keys.isSubset(of: lostBefore))
                // At the end of the journal, between two records or before the first, a crash before the write looks the same.
                let isBetween = length <= 36 || bytes[length...].starts(with: [0xF5, 0x52, 0x45, 0x43])
                if kind == .directory || path != last || !isBetween { #expect(warnings > 0, "\(path) cut to \(length)") }
                lostBefore = keys
            }
        }
    }

    @Test("Random bytes anywhere: no trap, and it can be used", arguments: StoreKind.onDisk)
    func noise(_ kind: StoreKind) throws {
        let files = try files(kind)
        for seed in 0..<200 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            var damaged = files
            for path in files.keys.sorted() where Bool.random(using: &random) {
                var bytes = files[path] ?? []
                guard !bytes.isEmpty else { continue }
                let start = Int.random(in: bytes.indices, using: &random)
                for index in start..<min(bytes.count, start + Int.random(in: 1...80, using: &random)) {
                    bytes[index] = .random(in: 0...255, using: &random)
                }
                damaged[path] = bytes
            }
            _ = try lost(kind, damaged, "seed \(seed)")
        }
    }

    /// The bytes of a head, wherever they are in a segment, with one of them wrong.
    private func damaging(_ head: [UInt8], in segment: String, of files: [String: [UInt8]]) throws -> [String: [UInt8]] {
        var files = files
        let path = "store/journal-000000000\(segment)"
        let bytes = try #require(files[path])
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: head) })
        files[path]?[place] ^= 1
        return files
    }

    @Test("A damaged copy is reported, and not as a loss: the record is where it was copied from, or to", arguments: ["1", "2"])
    func copies(_ segment: String) throws {
        let client = Array("a client with a name".utf8)
        let disk = SimulatedDisk()
        let store = JournalSessionStore(at: "store", files: disk)
        for number in 1...2 as ClosedRange<UInt64> {
            _ = try store.open()
            if number == 1 { try store.commit([.put(.client, head: client)]) }
            try store.commit([.put(.publish(number))])
            store.close()
        }
        disk.files = try damaging(client, in: segment, of: disk.files)
        let contents = try store.open()
        #expect(contents.map(\.key) == [.client, .publish(1), .publish(2)])
        #expect(contents.first?.head == client)
        #expect(contents.damage.map(\.key) == [nil])
    }

    @Test("A damaged record that was written again later, or removed, is not lost; one that was removed before is")
    func words() throws {
        let disk = SimulatedDisk()
        let store = JournalSessionStore(at: "store", files: disk)
        _ = try store.open()
        let (first, second, third, fourth) = (Array("first".utf8), Array("second".utf8), Array("third".utf8), Array("fourth".utf8))
        try store.commit([.put(.received(1), head: first), .put(.received(1), head: [])])
        try store.commit([.put(.publish(2), head: second), .put(.received(2), head: third), .delete(.publish(2))])
        try store.commit([.put(.inbound(3)), .deleteAllInbound, .put(.inbound(3), head: fourth)])
        store.close()
        let files = disk.files
        for (head, keys, lost) in [
            (first, [.received(1), .inbound(3)], nil), (second, [.received(1), .inbound(3)], nil),
            (third, [.received(1), .inbound(3)], nil), (fourth, [.received(1)], .inbound(3)),
        ] as [([UInt8], Set<RecordKey>, RecordKey?)] {
            disk.files = try damaging(head, in: "1", of: files)
            let contents = try store.open()
            #expect(Set(contents.map(\.key)) == keys)
            #expect(contents.damage.map(\.key) == [lost], "\(contents.damage)")
            store.close()
        }
    }

    @Test("A record that is damaged where it was written a second time is not lost; one that says something else is")
    func again() throws {
        let disk = SimulatedDisk()
        let store = JournalSessionStore(at: "store", files: disk)
        for isFirst in [true, false] {
            _ = try store.open()
            // Without another record that is needed, the first segment would be removed.
            if isFirst { try store.commit([.put(.publish(0))]) }
            try store.commit([.put(.publish(1), head: Array("twice".utf8), body: [1])])
            store.close()
        }
        _ = try store.open()
        try store.commit([.put(.received(2)), .put(.received(2), head: Array("other".utf8))])
        store.close()
        let files = disk.files
        for (head, segment, lost) in [("twice", "2", nil), ("other", "3", .received(2))] as [(String, String, RecordKey?)] {
            disk.files = try damaging(Array(head.utf8), in: segment, of: files)
            let contents = try store.open()
            #expect(contents.map(\.key) == [.publish(0), .publish(1), .received(2)])
            #expect(try store.record(of: .publish(1)).body == [1])
            #expect(contents.damage.map(\.key) == [lost], "\(contents.damage)")
            store.close()
        }
    }

    @Test("A segment that a crash left shorter than its header held nothing, and is no damage when others follow", arguments: 0..<36)
    func unfinished(length: Int) throws {
        let disk = SimulatedDisk()
        let store = JournalSessionStore(at: "store", files: disk)
        _ = try store.open()
        try store.commit([.put(.publish(0))])
        store.close()
        disk.files["store/journal-0000000002"] = Array(try #require(disk.files["store/journal-0000000001"]).prefix(length))
        for number in 1...3 {
            let contents = try store.open()
            #expect(contents.map(\.key) == (0..<UInt64(number)).map { .publish($0) })
            #expect(contents.damage.isEmpty, "\(contents.damage)")
            try store.commit([.put(.publish(UInt64(number)))])
            store.close()
        }
    }

    @Test("What is shorter than a header and not the beginning of one is reported")
    func shortGarbage() throws {
        let disk = SimulatedDisk()
        disk.files["store/journal-0000000001"] = Array("garbage\n".utf8)
        let store = JournalSessionStore(at: "store", files: disk)
        let contents = try store.open()
        #expect(contents.isEmpty && contents.damage.count == 1)
        try store.commit([.put(.publish(1))])
        store.close()
        #expect(try store.open().map(\.key) == [.publish(1)])
    }

    @Test("A record within a payload is no record, even where the payload's own header is damaged")
    func embedded() throws {
        let disk = SimulatedDisk()
        let store = JournalSessionStore(at: "store", files: disk)
        _ = try store.open()
        try store.commit([.put(.publish(1), body: [1]), .put(.publish(2), body: [2])])
        let journal = try #require(disk.files["store/journal-0000000001"])
        try store.commit([.put(.publish(3), body: journal)])
        store.close()
        var files = disk.files
        files["store/journal-0000000001"]?[journal.count + 12] ^= 1
        disk.files = files
        let contents = try store.open()
        #expect(contents.map(\.key) == [.publish(1), .publish(2)])
        #expect(contents.damage.count == 1)
    }

    @Test("Another version is refused, and nothing is changed", arguments: StoreKind.onDisk)
    func version(_ kind: StoreKind) throws {
        var files = try files(kind)
        let path = try #require(files.keys.filter { !$0.hasSuffix("lock") }.min())
        var bytes = try #require(files[path])
        bytes[8] = 2
        let fields = kind == .directory ? 40 : 32
        let checksum = crc(Array(bytes[..<fields]))
        for index in 0..<4 { bytes[fields + index] = UInt8(truncatingIfNeeded: checksum >> (8 * UInt32(index))) }
        files[path] = bytes
        let disk = SimulatedDisk()
        disk.files = files
        let error = try #require(throws: MQTTError.self) { try kind.store(on: disk).open() }
        #expect(error.code == .persistence && error.message.contains("format version 2"))
        #expect(disk.files == files)
    }

    /// Bit by bit: not the code under test.
    private func crc(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = ~0
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : (crc >> 1) ^ 0x82F6_3B78 }
        }
        return ~crc
    }
}
