import Synchronization

/// A value that several tasks of a test share.
final class LockedBox<Value: Sendable>: Sendable {
    private let contents: Mutex<Value>

    init(_ value: Value) { contents = Mutex(value) }

    var value: Value { contents.withLock { $0 } }

    func withValue<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        contents.withLock { contents in
            var value = contents
            defer { contents = value }
            return body(&value)
        }
    }
}
