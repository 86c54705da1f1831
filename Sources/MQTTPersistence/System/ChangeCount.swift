/// The count of a store's changes, as records have it.
enum ChangeCount {
    /// Nobody counts that far: a larger one is damage. It leaves room, so that no damage makes the count overflow.
    static let last: UInt64 = .max / 2

    /// The number of one more change. What a damaged store claims to have counted may leave none.
    static func take(_ next: inout UInt64) throws(FileFault) -> UInt64 {
        let text = "the store has counted to its end, which only damage explains"
        guard next <= last else { throw FileFault("count", number: 0, text: text) }
        defer { next += 1 }
        return next
    }
}
