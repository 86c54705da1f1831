import DiskSimulation
import MQTTCore
import MQTTPersistence
import Testing

/// The power is cut after each operation on the disk, and what was not synced is lost, torn and reordered.
@Suite struct CrashTests {
    /// Recovers, checks what is there, goes on, and is cut off again.
    private func check(_ kind: StoreKind, _ disk: SimulatedDisk, _ states: PossibleStates, _ label: String) throws {
        let store = kind.store(on: disk)
        let first = try store.openAndRead()
        if let objection = states.objection(to: first.values) { Issue.record("\(label): \(objection)") }
        #expect(first.keys.filter(isPublish) == first.keys.filter(isPublish).sorted { number($0) < number($1) }, "\(label)")
        try store.commit([.put(.publish(1000), body: [1])])
        // What was read once stays, with all that the second crash takes.
        var random = SeededRandom(seed: 0)
        let again = try kind.store(on: disk.crashed(.nothing, &random)).openAndRead()
        var expected = first.values
        expected[.publish(1000)] = Value([], [1])
        #expect(again.values == expected, "\(label)")
        #expect(again.keys.filter { $0 != .publish(1000) } == first.keys, "\(label)")
    }

    private func isPublish(_ key: RecordKey) -> Bool { if case .publish = key { true } else { false } }
    private func number(_ key: RecordKey) -> UInt64 { if case .publish(let number) = key { number } else { 0 } }

    private func cut(_ kind: StoreKind, _ history: History, after operations: Int, seeds: Range<UInt64>) throws {
        let disk = SimulatedDisk(SimulatedDisk.Faults(stopAfter: operations))
        let states = history.states(reported: history.run(on: kind.store(on: disk)))
        for crash in SimulatedDisk.Crash.allCases {
            for seed in crash == .anySectors ? seeds : 0..<1 {
                var random = SeededRandom(seed: seed)
                let label = "\(kind) cut after operation \(operations), \(crash), seed \(seed)"
                try check(kind, disk.crashed(crash, &random), states, label)
            }
        }
        // The process alone is killed: what it had not synced is there, and not yet safe.
        disk.set(SimulatedDisk.Faults())
        try check(kind, disk, states, "\(kind) killed after operation \(operations)")
    }

    @Test("What a killed process had not synced is written anew when it cannot be synced")
    func killed() throws {
        let disk = SimulatedDisk()
        let store = JournalSessionStore(at: "store", durability: .interval(.seconds(3600)), files: disk)
        _ = try store.open()
        try store.commit([.put(.client, head: [65]), .put(.publish(0)), .put(.publish(1), body: [1]), .delete(.publish(0))])
        // Its close does not reach the disk.
        disk.set(SimulatedDisk.Faults(stopAfter: disk.operations))
        store.close()
        disk.set(SimulatedDisk.Faults(failing: [disk.operations + 1]))
        let next = JournalSessionStore(at: "store", files: disk)
        #expect(try next.open().map(\.key) == [.client, .publish(1)])
        var random = SeededRandom(seed: 0)
        let contents = try JournalSessionStore(at: "store", files: disk.crashed(.nothing, &random)).open()
        #expect(contents.map(\.key) == [.client, .publish(1)])
    }

    @Test("A short history, cut after each operation", arguments: StoreKind.onDisk)
    func short(_ kind: StoreKind) throws {
        let disk = SimulatedDisk()
        #expect(History.short.run(on: kind.store(on: disk)) == History.short.commits.count)
        for operations in 0...disk.operations { try cut(kind, .short, after: operations, seeds: 0..<12) }
    }

    @Test("Long histories by seed, cut anywhere", arguments: StoreKind.onDisk)
    func long(_ kind: StoreKind) throws {
        for seed in 0..<40 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            let history = History.random(60, &random)
            let disk = SimulatedDisk()
            #expect(history.run(on: kind.store(on: disk)) == history.commits.count)
            for _ in 0..<4 { try cut(kind, history, after: .random(in: 0...disk.operations, using: &random), seeds: seed..<seed + 3) }
        }
    }

    @Test("Any operation fails, the commit is tried again, and the power is cut at the end", arguments: StoreKind.onDisk)
    func failing(_ kind: StoreKind) throws {
        let whole = SimulatedDisk()
        _ = History.short.run(on: kind.store(on: whole))
        for failing in 1...whole.operations {
            let disk = SimulatedDisk()
            let store = kind.store(on: disk)
            _ = try store.open()
            disk.set(SimulatedDisk.Faults(failing: [failing, failing + 3]))
            for commit in History.short.commits {
                for attempt in 1...5 {
                    do throws(MQTTError) {
                        try store.commit(commit)
                        break
                    } catch {
                        #expect(error.code == .persistence && attempt < 5)
                    }
                }
            }
            var random = SeededRandom(seed: UInt64(failing))
            for crash in SimulatedDisk.Crash.allCases {
                let states = History.short.states(reported: History.short.commits.count)
                try check(kind, disk.crashed(crash, &random), states, "\(kind), operation \(failing) failed, \(crash)")
            }
        }
    }
}
