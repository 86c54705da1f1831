/// What is on its way to the disk, in order, and what waits for it.
struct CommitFlow: Sendable, Equatable {
    private var records = SequenceRing<StoreRecord>(base: 1)

    /// The number of the next record.
    var next: UInt64 { records.end }

    /// Hands a record to the store.
    mutating func store(_ record: StoreRecord, into effects: inout Effects) {
        effects.append(.store(record, number: records.end))
        records.append(record)
    }

    /// The oldest record up to `number` that is on disk now, and its own number. Call until nil.
    mutating func next(storedUpTo number: UInt64) -> (StoreRecord, number: UInt64)? {
        guard !records.isEmpty, records.base <= number else { return nil }
        defer { records.removeFirst() }
        return (records[records.base], records.base)
    }
}
