/// What is on its way to the disk, in order, and what waits for it.
struct CommitFlow: Sendable, Equatable {
    private var records = SequenceRing<StoreRecord>(base: 1)

    /// Hands a record to the store.
    mutating func store(_ record: StoreRecord, into effects: inout Effects) {
        effects.append(.store(record, number: records.end))
        records.append(record)
    }

    /// The oldest record up to `number` that is on disk now. Call until nil.
    mutating func next(storedUpTo number: UInt64) -> StoreRecord? {
        guard !records.isEmpty, records.base <= number else { return nil }
        defer { records.removeFirst() }
        return records[records.base]
    }
}
