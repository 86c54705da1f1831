import DiskSimulation
import MQTTCore
import MQTTPersistence
import Testing

/// Space, full disks, and failed syncs.
@Suite struct JournalTests {
    private func body(_ number: UInt64, _ count: Int = 200) -> [UInt8] {
        [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: count)
    }

    @Test("A queue that moves takes little more than what is in it; one record that stays does not hold the rest")
    func space() throws {
        let disk = SimulatedDisk()
        let store = JournalSessionStore(at: "store", files: disk, segmentLimit: 4096)
        _ = try store.open()
        try store.commit([.put(.client, head: [65]), .put(.publish(0), body: body(0))])
        for number in 1..<3000 as Range<UInt64> {
            try store.commit([.put(.publish(number), body: body(number))])
            if number > 20 { try store.commit([.delete(.publish(number - 20), lazily: true)]) }
            #expect(disk.size < 4 * 22 * 260 + 5 * 4096)
        }
        #expect(try store.record(of: .publish(0)).body == body(0))
        store.close()
        #expect(try store.open().map(\.key) == [.client, .publish(0)] + (2980..<3000).map { .publish($0) })
    }

    @Test("Many short sessions leave few files")
    func sessions() throws {
        let disk = SimulatedDisk()
        let store = JournalSessionStore(at: "store", files: disk)
        for number in 0..<100 as Range<UInt64> {
            #expect(try store.open().count == Int(number))
            try store.commit([.put(.publish(number), body: body(number))])
            store.close()
        }
        #expect(disk.files.count < 12)
    }

    @Test(
        "A full disk: the commit fails and says so, what was stored is there, and it goes on when there is space",
        arguments: StoreKind.onDisk)
    func full(_ kind: StoreKind) throws {
        let disk = SimulatedDisk()
        let store = kind.store(on: disk)
        _ = try store.open()
        disk.set(SimulatedDisk.Faults(capacity: 6000))
        var stored: [RecordKey] = []
        var failures = 0
        for number in 0..<60 as Range<UInt64> {
            do throws(MQTTError) {
                try store.commit([.put(.publish(number), body: body(number))])
                stored.append(.publish(number))
            } catch {
                failures += 1
                #expect(error.code == .persistence && error.message.contains("make space"))
            }
        }
        #expect(stored.count > 5 && failures > 20)
        for key in stored { #expect(try store.record(of: key).body.count == 200) }
        disk.set(SimulatedDisk.Faults())
        for number in 60..<70 as Range<UInt64> {
            try store.commit([.put(.publish(number), body: body(number))])
            stored.append(.publish(number))
        }
        var random = SeededRandom(seed: 1)
        let contents = try kind.store(on: disk.crashed(.nothing, &random)).open()
        #expect(contents.map(\.key).filter { stored.contains($0) } == stored)
        #expect(contents.damage == [])
    }

    @Test("Synced at an interval: a power cut loses the end, and nothing before the last sync")
    func interval() throws {
        let disk = SimulatedDisk()
        let store = JournalSessionStore(at: "store", durability: .interval(.seconds(3600)), files: disk)
        _ = try store.open()
        for number in 0..<10 as Range<UInt64> { try store.commit([.put(.publish(number))]) }
        try store.flush()
        for number in 10..<20 as Range<UInt64> { try store.commit([.put(.publish(number))]) }
        var random = SeededRandom(seed: 1)
        #expect(try JournalSessionStore(at: "store", files: disk.crashed(.nothing, &random)).open().count == 10)
        // The process alone is killed: the disk has everything.
        #expect(try JournalSessionStore(at: "store", files: disk.crashed(.everything, &random)).open().count == 20)
    }

    @Test("What was not synced when a sync fails is written again elsewhere")
    func failedSync() throws {
        let disk = SimulatedDisk()
        let store = JournalSessionStore(at: "store", durability: .interval(.seconds(3600)), files: disk)
        _ = try store.open()
        try store.commit([.put(.publish(0), body: body(0))])
        try store.commit([.put(.publish(1), body: body(1))])
        disk.set(SimulatedDisk.Faults(failing: [disk.operations + 1, disk.operations + 2, disk.operations + 3]))
        #expect(throws: MQTTError.self) { try store.flush() }
        #expect(throws: MQTTError.self) { try store.flush() }
        #expect(try store.record(of: .publish(1)).body == body(1))
        disk.set(SimulatedDisk.Faults())
        try store.flush()
        var random = SeededRandom(seed: 1)
        let values = try JournalSessionStore(at: "store", files: disk.crashed(.nothing, &random)).openAndRead().values
        #expect(values == [.publish(0): Value([], body(0)), .publish(1): Value([], body(1))])
    }

    @Test("A record longer than a segment has one to itself; one longer than the limit is denied")
    func long() throws {
        let store = JournalSessionStore(at: "store", files: SimulatedDisk(), segmentLimit: 300)
        _ = try store.open()
        try store.commit([.put(.publish(0)), .put(.publish(1), body: body(1, 5000)), .put(.publish(2))])
        let error = try #require(throws: MQTTError.self) { try store.commit([.put(.publish(3), head: body(0, 1 << 24 + 1))]) }
        #expect(error.code == .persistence && error.fate == .denied)
        store.close()
        #expect(try store.openAndRead().values[.publish(1)] == Value([], body(1, 5000)))
    }
}
