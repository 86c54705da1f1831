public import MQTTCore
internal import Synchronization

/// A store that lives as long as the process: it lets one client continue the session of another, and tests look inside.
public final class MemorySessionStore: SessionStore {
    private struct Record: Sendable {
        var order: UInt64
        var head: [UInt8]
        var body: [UInt8]
    }

    private struct Contents: Sendable {
        var records: [RecordKey: Record] = [:]
        var nextOrder: UInt64 = 0
        var isOpen = false
    }

    private let contents = Mutex(Contents())

    public init() {}

    public func open() throws(MQTTError) -> StoreContents {
        try contents.withLock { contents throws(MQTTError) in
            guard !contents.isOpen else { throw .storeAlreadyOpen() }
            contents.isOpen = true
            var result = StoreContents()
            for (key, record) in contents.records.sorted(by: { RecordKey.precedes(($0.key, $0.value.order), ($1.key, $1.value.order)) }) {
                result.append(StoreEntry(key, head: record.head, bodyLength: record.body.count))
            }
            return result
        }
    }

    public func record(of key: RecordKey) throws(MQTTError) -> StoredRecord {
        try contents.withLock { contents throws(MQTTError) in
            guard contents.isOpen else { throw .storeNotOpen() }
            guard let record = contents.records[key] else { throw .noRecord() }
            return StoredRecord(head: record.head, body: record.body)
        }
    }

    public func commit(_ changes: [StoreChange]) throws(MQTTError) {
        try contents.withLock { contents throws(MQTTError) in
            guard contents.isOpen else { throw .storeNotOpen() }
            for change in changes {
                switch change {
                case .put(let key, let head, let body):
                    contents.records[key] = Record(order: contents.nextOrder, head: head, body: body)
                    contents.nextOrder += 1
                case .delete(let key, _):
                    contents.records[key] = nil
                    if case .publish(let number) = key { contents.records[.received(number)] = nil }
                case .deleteAllInbound:
                    contents.records = contents.records.filter { !$0.key.isInbound }
                }
            }
        }
    }

    public func close() { contents.withLock { $0.isOpen = false } }
}
