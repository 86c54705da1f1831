package import MQTTCore

/// What becomes of the commits of a store.
package enum StoreEvent: Sendable, Hashable {
    /// Everything up to this number is safe.
    case stored(upTo: UInt64)
    /// The store cannot be written. Nothing is lost: it is tried again after this time, and before anything later.
    case failed(MQTTError, retryAfter: Duration)
}

/// The commits of one open store, in order, on the writer's thread. None of the calls blocks.
package final class StoreQueue: Sendable {
    private let number: Int
    private let writer: StoreWriter

    init(_ number: Int, of writer: StoreWriter) {
        self.number = number
        self.writer = writer
    }

    /// Commits the changes behind those before. Changes that come while a commit is under way share the next one.
    /// - Parameter number: What ``StoreEvent/stored(upTo:)`` calls them. Larger than the one before.
    package func commit(_ changes: [StoreChange], number: UInt64) {
        writer.update(self.number) { work in
            work.changes.append(contentsOf: changes)
            work.number = number
        }
    }

    /// Calls the body on the writer's thread, where it may read from the store. It does not wait for commits that are not under way.
    package func perform(_ body: @escaping @Sendable (any SessionStore) -> Void) {
        writer.update(number) { $0.calls.append(body) }
    }

    /// Commits what is there, with one attempt, and closes the store. Nothing may follow.
    /// - Parameter done: Called on the writer's thread, with the reason why something was not stored.
    package func close(_ done: @escaping @Sendable (MQTTError?) -> Void) {
        writer.update(number) { $0.closing = done }
    }
}
