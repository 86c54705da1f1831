internal import MQTT
internal import Synchronization

/// Who may have a store, over how many ends, and what is read while it is written.
extension StoreExamination {
    mutating func examineUse() {
        examine("reopening") { it, store in
            var store = store
            var expected: [Expected] = []
            var receptions: [Expected] = []
            for round in 0..<5 as Range<UInt64> {
                for number in round * 3..<round * 3 + 3 {
                    let body = [UInt8](repeating: UInt8(number), count: 100 * Int(number))
                    try store.commit([.put(.publish(number), head: [UInt8(round)], body: body)])
                    expected.append(Expected(.publish(number), [UInt8(round)], body))
                }
                try store.commit([.put(.inbound(UInt16(10 - round)))])
                receptions.append(Expected(.inbound(UInt16(10 - round))))
                try it.expectAfterReopening(&store, "reopening", .survivesReopening, expected + receptions, "round \(round)")
                // The one that is there is opened again as well.
                store.close()
                try it.expectContents(of: store, .survivesReopening, expected + receptions, "round \(round), the same store")
            }
            store.close()
        }
        examine("sharing") { it, store in
            try store.commit([.put(.publish(1), body: [1])])
            it.expectError(.servesOneSession, "it can be opened twice") { () throws(MQTTError) in _ = try store.open() }
            let second = try it.store("sharing")
            it.expectError(.servesOneSession, "it can be opened by a second store") { () throws(MQTTError) in _ = try second.open() }
            try store.commit([.put(.publish(2), body: [2])])
            it.expectRecord(of: store, .servesOneSession, Expected(.publish(1), [], [1]), "after another one was refused")
            store.close()
            try it.expectContents(
                of: second, .servesOneSession, [Expected(.publish(1), [], [1]), Expected(.publish(2), [], [2])], "handed over")
            second.close()
        }
        examine("opening") { it, store in
            try store.commit([.put(.publish(1))])
            store.close()
            store.close()
            it.expectError(.needsToBeOpen, "it was closed, and takes a commit") { () throws(MQTTError) in
                try store.commit([.put(.publish(2))])
            }
            it.expectMissing(.publish(1), in: store, .needsToBeOpen, "it was closed")
            let new = try it.store("not opened")
            it.expectError(.needsToBeOpen, "it was never opened, and takes a commit") { () throws(MQTTError) in
                try new.commit([.put(.publish(2))])
            }
            try it.expectContents(of: store, .needsToBeOpen, [Expected(.publish(1))], "opened again")
        }
        examine("missing") { it, store in
            try store.commit([.put(.publish(1)), .put(.received(1)), .put(.inbound(1))])
            for key in [RecordKey.client, .publish(2), .received(2), .inbound(2)] {
                it.expectMissing(key, in: store, .reportsMissingRecords, "it was never put")
            }
            try store.commit([.delete(.publish(1)), .delete(.inbound(1))])
            for key in [RecordKey.publish(1), .inbound(1)] { it.expectMissing(key, in: store, .reportsMissingRecords, "it was removed") }
        }
    }

    mutating func examineReading() async {
        do {
            let store = try store("reading")
            _ = try store.open()
            defer { store.close() }
            for detail in try await Self.readDuringCommits(store) { report(.readsDuringCommits, detail) }
        } catch {
            report(.works, "reading: it threw \(error)")
        }
    }

    /// One writes again and again, another one reads. Returns what was wrong.
    private static func readDuringCommits(_ store: any SessionStore) async throws -> Set<String> {
        func version(_ number: UInt8) -> StoreChange {
            .put(.publish(1), head: [number], body: [UInt8](repeating: number, count: 2_000))
        }
        try store.commit([version(0), .put(.publish(2), head: [7], body: [7])])
        // A read before, so that one who remembers it shows.
        if try store.record(of: .publish(1)).body.count != 2_000 { return ["a record is not whole"] }
        let writing = Writing()
        return try await withThrowingTaskGroup(of: Set<String>.self) { group in
            group.addTask {
                // The reader ends also when this throws.
                defer { writing.isOver.store(true, ordering: .releasing) }
                for round in 1...100 as ClosedRange<UInt8> {
                    try store.commit([version(round), .put(.inbound(UInt16(round))), .delete(.inbound(UInt16(round)), lazily: true)])
                }
                return []
            }
            group.addTask {
                var last: UInt8 = 0
                while true {
                    let isOver = writing.isOver.load(ordering: .acquiring)
                    let record = try store.record(of: .publish(1))
                    let number = record.head.first ?? 0
                    if record.head.count != 1 || record.body != [UInt8](repeating: number, count: 2_000) {
                        return ["a record is not whole"]
                    }
                    if number < last { return ["an older record comes after a newer one"] }
                    if try store.record(of: .publish(2)) != StoredRecord(head: [7], body: [7]) { return ["a record changed with another"] }
                    last = number
                    if isOver { return last == 100 ? [] : ["what was committed is not read"] }
                    await Task.yield()
                }
            }
            var wrong: Set<String> = []
            for try await found in group { wrong.formUnion(found) }
            return wrong
        }
    }

    private final class Writing: Sendable {
        let isOver = Atomic(false)
    }
}
