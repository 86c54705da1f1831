public import MQTTCore

/// Names a record of a stored session.
public enum RecordKey: Sendable, Hashable {
    /// An accepted publish, by its place in the order of acceptance.
    case publish(UInt64)
    /// The fact that PUBREC came for that publish.
    case received(UInt64)
    /// The packet identifier of a QoS 2 message that the application owns.
    case inbound(UInt16)
}

/// One step of a commit.
public enum StoreChange: Sendable, Hashable {
    /// Write the record, or replace it.
    case put(RecordKey, [UInt8])
    /// Remove the record, if it is there.
    case delete(RecordKey)
}

/// Keeps what a session must not forget.
///
/// A store serves one session at a time. Calls never overlap, and may block: they are made on a thread of the client's own.
public protocol SessionStore: Sendable {
    /// All records. Publishes in the order of their numbers, receptions in the order in which they were put.
    func load() throws(MQTTError) -> [(key: RecordKey, value: [UInt8])]
    /// Applies the changes in order. When it returns, all of them, and everything before, will survive.
    func commit(_ changes: [StoreChange]) throws(MQTTError)
}
