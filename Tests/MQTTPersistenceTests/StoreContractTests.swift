import DiskSimulation
import MQTTCore
import MQTTPersistence
import Testing

/// What every store keeps, in good order.
@Suite struct StoreContractTests {
    @Test("Publishes come in the order of their numbers, receptions in the order of their puts", arguments: StoreKind.allCases)
    func order(_ kind: StoreKind) throws {
        let disk = SimulatedDisk()
        let store = kind.store(on: disk)
        #expect(try store.open().isEmpty)
        try store.commit([.put(.inbound(9)), .put(.publish(11), body: [1]), .put(.received(2))])
        try store.commit([.put(.publish(2), body: [2]), .put(.inbound(1)), .put(.client, head: [65]), .put(.publish(10), body: [3])])
        store.close()
        let contents = try store.open()
        #expect(contents.map(\.key) == [.client, .publish(2), .publish(10), .publish(11), .inbound(9), .received(2), .inbound(1)])
        #expect(contents.clientID == "A")
        #expect(contents.damage == [])
    }

    @Test("Two resumptions in a row keep the order, and what came between them", arguments: StoreKind.allCases)
    func resumptions(_ kind: StoreKind) throws {
        let store = kind.store()
        for round in 0..<4 as Range<UInt64> {
            #expect(try store.open().map(\.key) == (0..<round * 3).map { RecordKey.publish($0) })
            for number in round * 3..<round * 3 + 3 { try store.commit([.put(.publish(number), body: [UInt8(number)])]) }
            store.close()
        }
        #expect(try store.openAndRead().values[.publish(7)] == Value([], [7]))
    }

    @Test(
        "Head and body come back as they were put; a record put again has the new ones, at the end of its kind",
        arguments: StoreKind.allCases)
    func values(_ kind: StoreKind) throws {
        let store = kind.store()
        _ = try store.open()
        let body = (0..<5000).map { UInt8(truncatingIfNeeded: $0) }
        try store.commit([.put(.publish(1), head: [1, 2, 3], body: body), .put(.received(1), head: [1]), .put(.received(2))])
        try store.commit([.put(.received(1), head: [2], body: [3])])
        #expect(try store.record(of: .publish(1)).body == body)
        store.close()
        let (keys, values, _) = try store.openAndRead()
        #expect(keys == [.publish(1), .received(2), .received(1)])
        #expect(values == [.publish(1): Value([1, 2, 3], body), .received(2): Value(), .received(1): Value([2], [3])])
    }

    @Test("Changes of one commit apply in their order; deleting what is not there does nothing", arguments: StoreKind.allCases)
    func changes(_ kind: StoreKind) throws {
        let store = kind.store()
        _ = try store.open()
        try store.commit([])
        try store.commit([.delete(.publish(1)), .put(.publish(1), body: [1]), .delete(.publish(1)), .put(.publish(2), body: [2])])
        try store.commit([.put(.inbound(1)), .put(.inbound(2)), .deleteAllInbound, .put(.inbound(3))])
        #expect(throws: MQTTError.self) { try store.record(of: .publish(1)).body }
        store.close()
        #expect(try store.open().map(\.key) == [.publish(2), .inbound(3)])
    }

    @Test("Removing a publish removes the fact that it was received", arguments: StoreKind.allCases)
    func removal(_ kind: StoreKind) throws {
        let store = kind.store()
        _ = try store.open()
        try store.commit([.put(.publish(1)), .put(.received(1)), .put(.publish(2)), .put(.received(2)), .put(.received(3))])
        try store.commit([.delete(.publish(1), lazily: true)])
        try store.commit([.delete(.received(2))])
        try store.flush()
        store.close()
        #expect(try store.open().map(\.key) == [.publish(2), .received(3)])
    }

    @Test("A store serves one session at a time, and only while it is open", arguments: StoreKind.allCases)
    func lock(_ kind: StoreKind) throws {
        let disk = SimulatedDisk()
        let store = kind.store(on: disk)
        #expect(throws: MQTTError.self) { try store.commit([.put(.inbound(1))]) }
        _ = try store.open()
        let error = try #require(throws: MQTTError.self) { try store.open() }
        #expect(error.code == .persistence && error.message.contains("in use"))
        store.close()
        #expect(throws: MQTTError.self) { try store.commit([.put(.inbound(1))]) }
        #expect(try store.open().isEmpty)
    }

    @Test("A store belongs to one client; an empty identifier takes the stored one", arguments: StoreKind.allCases)
    func client(_ kind: StoreKind) throws {
        let store = kind.store()
        #expect(try store.open(for: "gateway", .new).clientID == "gateway")
        try store.commit([.put(.publish(1))])
        store.close()
        for use in [StoreUse.new, .resume] {
            let error = try #require(throws: MQTTError.self) { try store.open(for: "other", use) }
            #expect(error.code == .persistence && error.message.contains("\"gateway\""))
        }
        #expect(try store.open(for: "", .resume).map(\.key) == [.client, .publish(1)])
        store.close()
        #expect(try store.open(for: "gateway", .new).map(\.key) == [.client])
        store.close()
        #expect(try store.open(for: "gateway", .resume).map(\.key) == [.client])
    }
}
