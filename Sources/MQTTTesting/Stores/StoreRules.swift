internal import MQTT

/// What a store holds, and in what order.
extension StoreExamination {
    private static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) } }

    mutating func examineContents() {
        examine("empty") { it, store in
            store.close()
            try it.expectContents(of: store, .opensEmpty, [], "opened again")
        }
        examine("values") { it, store in
            var store = store
            // A head holds a topic and a correlation key of 65,535 bytes each, and a little more.
            let values: [Expected] = [
                Expected(.client, Array("a client, with ü".utf8)), Expected(.publish(1)), Expected(.publish(2), [0]),
                Expected(.publish(3), [], [0]), Expected(.publish(4), Array(0...255), Array((0...255).reversed())),
                Expected(.publish(5), Self.bytes(131_100), Self.bytes(100_000)), Expected(.received(4), [1]),
                Expected(.inbound(9), [2], [3]),
            ]
            try store.commit(values.map { .put($0.key, head: $0.head, body: $0.body) })
            for value in values { it.expectRecord(of: store, .keepsValues, value, "after the commit") }
            try it.expectAfterReopening(&store, "values", .keepsValues, values, "opened again")
            store.close()
        }
        examine("order") { it, store in
            var store = store
            let last = UInt64(1) << 62 - 1
            try store.commit([.put(.inbound(65_535)), .put(.publish(last)), .put(.received(700))])
            try store.commit([.put(.publish(700)), .put(.inbound(1)), .put(.client, head: [65]), .put(.publish(65_536))])
            try store.commit([.put(.received(65_536)), .put(.publish(9)), .put(.inbound(300)), .put(.publish(70))])
            let keys: [RecordKey] = [
                .client, .publish(9), .publish(70), .publish(700), .publish(65_536), .publish(last), .inbound(65_535), .received(700),
                .inbound(1), .received(65_536), .inbound(300),
            ]
            let expected = keys.map { Expected($0, $0 == .client ? [65] : []) }
            for time in ["opened again", "the second time"] { try it.expectAfterReopening(&store, "order", .keepsOrder, expected, time) }
            store.close()
        }
        examine("replacing") { it, store in
            var store = store
            try store.commit([.put(.client, head: [1]), .put(.publish(1), head: [1], body: [1]), .put(.publish(2)), .put(.received(1))])
            try store.commit([.put(.inbound(5), head: [5]), .put(.publish(1), head: [2, 2], body: [2]), .put(.received(1), head: [3])])
            try store.commit([.put(.client, head: [4]), .put(.received(1), head: [6])])
            it.expectRecord(of: store, .replaces, Expected(.publish(1), [2, 2], [2]), "put again")
            let expected = [
                Expected(.client, [4]), Expected(.publish(1), [2, 2], [2]), Expected(.publish(2)), Expected(.inbound(5), [5]),
                Expected(.received(1), [6]),
            ]
            try it.expectAfterReopening(&store, "replacing", .replaces, expected, "put again, and opened again")
            store.close()
        }
    }
}

/// What changes do.
extension StoreExamination {
    mutating func examineChanges() {
        examine("changes") { it, store in
            var store = store
            try store.commit([])
            try store.commit([.delete(.publish(1)), .delete(.received(1)), .delete(.inbound(1), lazily: true), .deleteAllInbound])
            try store.commit([
                .put(.publish(1), body: [1]), .delete(.publish(1)), .put(.publish(2), body: [1]), .put(.publish(2), body: [2]),
            ])
            try store.commit([.delete(.publish(3)), .put(.publish(3)), .delete(.publish(2)), .put(.publish(2), body: [3])])
            it.expectMissing(.publish(1), in: store, .appliesChangesInOrder, "put and removed in one commit")
            try it.expectAfterReopening(
                &store, "changes", .appliesChangesInOrder, [Expected(.publish(2), [], [3]), Expected(.publish(3))], "opened again")
            store.close()
        }
        examine("removal") { it, store in
            var store = store
            try store.commit((1...4).flatMap { [.put(.publish($0)), .put(.received($0))] } + [.put(.inbound(1)), .put(.received(9))])
            try store.commit([.delete(.publish(1)), .delete(.received(2)), .delete(.publish(3), lazily: true), .delete(.inbound(7))])
            try store.commit([.delete(.publish(4)), .put(.received(4), head: [4])])
            it.expectMissing(.received(1), in: store, .removesReceptionsWithTheirPublish, "its publish was removed")
            it.expectMissing(.received(3), in: store, .removesReceptionsWithTheirPublish, "its publish was removed lazily")
            let expected = [Expected(.publish(2)), Expected(.inbound(1)), Expected(.received(9)), Expected(.received(4), [4])]
            try it.expectAfterReopening(&store, "removal", .removesReceptionsWithTheirPublish, expected, "opened again")
            store.close()
        }
        examine("inbound") { it, store in
            var store = store
            try store.commit([.put(.client, head: [1]), .put(.publish(1)), .put(.received(1)), .put(.inbound(1)), .put(.inbound(65_535))])
            try store.commit([.put(.inbound(3)), .deleteAllInbound, .put(.inbound(4))])
            it.expectMissing(.inbound(1), in: store, .removesAllInbound, "all were removed")
            let expected = [Expected(.client, [1]), Expected(.publish(1)), Expected(.received(1)), Expected(.inbound(4))]
            try it.expectAfterReopening(&store, "inbound", .removesAllInbound, expected, "opened again")
            store.close()
        }
        examine("laziness") { it, store in
            var store = store
            try store.commit((1...6).map { .put(.publish($0), body: [1]) })
            try store.commit([.delete(.publish(1), lazily: true)])
            it.expectMissing(.publish(1), in: store, .removesLazily, "removed lazily")
            // On disk at the latest with the next commit, with a flush, and with the end.
            try store.commit([.delete(.publish(2), lazily: true), .put(.inbound(1))])
            try store.commit([.delete(.publish(3), lazily: true)])
            try store.flush()
            try store.commit([.delete(.publish(4), lazily: true)])
            let expected = [Expected(.publish(5), [], [1]), Expected(.publish(6), [], [1]), Expected(.inbound(1))]
            try it.expectAfterReopening(&store, "laziness", .removesLazily, expected, "opened again")
            try store.commit([.delete(.publish(5), lazily: true)])
            try store.commit([.put(.publish(5), body: [2])])
            try it.expectAfterReopening(
                &store, "laziness", .removesLazily, [Expected(.publish(5), [], [2])] + expected.dropFirst(), "put again after that")
            store.close()
        }
    }
}
