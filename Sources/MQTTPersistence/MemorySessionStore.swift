public import MQTTCore
internal import Synchronization

/// A store that lives as long as the process: it lets one client continue the session of another, and tests look inside.
public final class MemorySessionStore: SessionStore {
    private struct Contents {
        var records: [RecordKey: (order: UInt64, value: [UInt8])] = [:]
        var nextOrder: UInt64 = 0
    }

    private let contents = Mutex(Contents())

    public init() {}

    public func load() throws(MQTTError) -> [(key: RecordKey, value: [UInt8])] {
        contents.withLock { contents in
            contents.records.sorted { isBefore($0, $1) }.map { (key: $0.key, value: $0.value.value) }
        }
    }

    public func commit(_ changes: [StoreChange]) throws(MQTTError) {
        contents.withLock { contents in
            for change in changes {
                switch change {
                case .put(let key, let value):
                    // A record that is replaced keeps its place.
                    let order = contents.records[key]?.order ?? contents.nextOrder
                    contents.records[key] = (order, value)
                    contents.nextOrder += 1
                case .delete(let key): contents.records[key] = nil
                }
            }
        }
    }

    private typealias Record = (key: RecordKey, value: (order: UInt64, value: [UInt8]))

    private func isBefore(_ lhs: Record, _ rhs: Record) -> Bool {
        switch (lhs.key, rhs.key) {
        case (.publish(let left), .publish(let right)): left < right
        case (.publish, _): true
        case (_, .publish): false
        default: lhs.value.order < rhs.value.order
        }
    }
}
