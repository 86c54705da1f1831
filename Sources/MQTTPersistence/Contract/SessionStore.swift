public import MQTTCore

/// Names a record of a stored session.
public enum RecordKey: Sendable, Hashable {
    /// The client identifier: the record's head has its UTF-8 bytes.
    case client
    /// An accepted publish, by its place in the order of acceptance.
    case publish(UInt64)
    /// The fact that PUBREC came for that publish.
    case received(UInt64)
    /// The packet identifier of a QoS 2 message that the application owns.
    case inbound(UInt16)
}

/// One step of a commit.
public enum StoreChange: Sendable, Hashable {
    /// Write the record, or replace it. The head is handed out when the store is opened, so keep it small; the body stays in the
    /// store until it is asked for.
    case put(RecordKey, head: [UInt8] = [], body: [UInt8] = [])
    /// Remove the record, if it is there. Removing a publish removes the fact that PUBREC came for it as well.
    ///
    /// A commit that has only lazy removals may return before they are on disk: after a crash the records may be there again.
    /// They are on disk, at the latest, when the next commit with anything else in it returns.
    case delete(RecordKey, lazily: Bool = false)
    /// Remove all records of inbound QoS 2 messages.
    case deleteAllInbound

    /// Whether its commit need not wait for the disk.
    public var isLazy: Bool {
        switch self {
        case .delete(_, let lazily): lazily
        case .put, .deleteAllInbound: false
        }
    }
}

/// How soon a commit is safe from a power cut. A crash of the process alone loses nothing with any of them.
public enum Durability: Sendable, Hashable {
    /// When the commit returns, it is on disk. A power cut loses nothing that was accepted.
    case everyCommit
    /// On disk after this time at the latest, as long as something goes on calling the store (see ``SessionStore/flush()``).
    /// A power cut loses what was accepted in the time since. QoS 2 messages of that time may come twice.
    case interval(Duration)
}

/// Keeps what a session must not forget, over the end of the process and of the machine.
///
/// `SessionStoreContract` of MQTTTesting checks a store of your own against what is said here.
///
/// **Threads.** ``open()``, ``commit(_:)``, ``flush()`` and ``close()`` are called by one thread at a time. ``record(of:)`` may come
/// at the same time from others. All of them may block, and are never called on an event loop.
/// One thread writes all stores of the process: one that blocks for long makes the others wait.
///
/// **What survives.** A change is there whole or not at all, in every state that a crash can leave behind. Everything survives that
/// was part of a commit that returned, and of any before. Of the commit during which the machine stopped, or that threw, any
/// selection of its changes may be there: put nothing into one commit that is false without the rest.
///
/// **Errors** have the code ``MQTTError/Code/persistence`` and a message that says what to do. When a commit throws, none of its
/// changes counts as safe. Commit the same changes again, when there may be space again, before any later ones. The store never
/// asks the operating system a second time to sync what it once failed to sync: it writes that anew.
public protocol SessionStore: Sendable {
    /// How soon a commit is safe from a power cut.
    var durability: Durability { get }

    /// Takes the store for this session alone, and reads what it holds.
    ///
    /// Damage is no error: what is lost is in ``StoreContents/damage``, everything else is kept.
    /// - Throws: Another client or process has it; it is of another version; it cannot be read. Nothing was changed then.
    func open() throws(MQTTError) -> StoreContents

    /// A record that is there.
    /// - Throws: There is no such record, or it is damaged, or cannot be read.
    func record(of key: RecordKey) throws(MQTTError) -> StoredRecord

    /// Applies the changes in order. When it returns, all of them, and everything before, survives.
    func commit(_ changes: [StoreChange]) throws(MQTTError)

    /// Brings to disk what lazy removals and ``Durability/interval(_:)`` left for later.
    func flush() throws(MQTTError)

    /// Flushes as far as that is possible, and sets the store free for the next session. Until it is opened again, commits and reads
    /// throw. Closing a store that is not open does nothing.
    func close()
}

/// A record as it was put.
public struct StoredRecord: Sendable, Hashable {
    public var head: [UInt8]
    public var body: [UInt8]

    public init(head: [UInt8], body: [UInt8]) {
        self.head = head
        self.body = body
    }
}

extension SessionStore {
    public var durability: Durability { .everyCommit }

    public func flush() throws(MQTTError) {}
}
