/// What is on its way to the disk, in order, and what waits for it.
struct CommitFlow: Sendable, Equatable {
    /// Whether there is a store. Without one, whoever would store goes on at once.
    let isDurable: Bool
    private var records = SequenceRing<StoreRecord>(base: 1)

    init(isDurable: Bool) { self.isDurable = isDurable }

    /// Hands a record to the store. Returns the number of its commit.
    @discardableResult
    mutating func store(_ record: StoreRecord, into effects: inout Effects) -> UInt64 {
        let number = records.end
        effects.append(.store(record, number: number))
        records.append(record)
        return number
    }

    /// The publishes among the records that are not on disk yet.
    var publishes: [Serial] {
        (records.base..<records.end).compactMap { number in
            if case .publish(let serial) = records[number] { serial } else { nil }
        }
    }

    /// The oldest record up to `number` that is on disk now, with the number of its own commit. Call until nil.
    mutating func next(storedUpTo number: UInt64) -> (record: StoreRecord, number: UInt64)? {
        guard !records.isEmpty, records.base <= number else { return nil }
        defer { records.removeFirst() }
        return (records[records.base], records.base)
    }
}
