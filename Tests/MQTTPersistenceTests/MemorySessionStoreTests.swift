import MQTTCore
import MQTTPersistence
import Testing

/// The store in memory keeps the order that the protocol promises.
@Suite struct MemorySessionStoreTests {
    private func keys(_ store: MemorySessionStore) throws -> [RecordKey] { try store.load().map(\.key) }

    @Test("Publishes come in the order of their numbers, receptions in the order in which they were put")
    func order() throws {
        let store = MemorySessionStore()
        try store.commit([.put(.inbound(9), []), .put(.publish(11), [1]), .put(.received(2), [])])
        try store.commit([.put(.publish(2), [2]), .put(.inbound(1), []), .put(.publish(10), [3])])
        #expect(try keys(store) == [.publish(2), .publish(10), .publish(11), .inbound(9), .received(2), .inbound(1)])
    }

    @Test("A record that is replaced keeps its place, and has the new value")
    func replacement() throws {
        let store = MemorySessionStore()
        try store.commit([.put(.received(1), [1]), .put(.received(2), [2]), .put(.received(1), [3])])
        let records = try store.load()
        #expect(records.map(\.key) == [.received(1), .received(2)])
        #expect(records.map(\.value) == [[3], [2]])
    }

    @Test("Changes of one commit apply in their order; deleting what is not there does nothing")
    func changes() throws {
        let store = MemorySessionStore()
        try store.commit([.delete(.publish(1)), .put(.publish(1), [1]), .delete(.publish(1)), .put(.publish(2), [2])])
        #expect(try keys(store) == [.publish(2)])
    }
}
