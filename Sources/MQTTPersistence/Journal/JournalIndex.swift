internal import Synchronization

/// Where a record is.
struct RecordLocation: Sendable, Hashable {
    /// Zero is nowhere.
    var segment: UInt32
    var offset: UInt32
    var headLength: UInt32
    var bodyLength: UInt32

    var size: Int { RecordHeader.length + Int(headLength) + Int(bodyLength) }
}

/// Where the live records are. Shared with the threads that read bodies.
struct JournalIndex: Sendable {
    var publishes = PublishTable()
    private(set) var others: [RecordKey: (sequence: UInt64, location: RecordLocation)] = [:]
    /// Open for as long as anybody reads from them, removed or not.
    var files: [UInt32: any StoreFile] = [:]

    func location(of key: RecordKey) -> RecordLocation? {
        switch key {
        case .publish(let number): publishes.location(of: number)
        case .client, .received, .inbound: others[key]?.location
        }
    }

    /// Returns the place that it had before.
    mutating func set(_ key: RecordKey, _ location: RecordLocation, sequence: UInt64) -> RecordLocation? {
        switch key {
        case .publish(let number): return publishes.set(number, location)
        case .client, .received, .inbound:
            return others.updateValue((sequence, location), forKey: key)?.location
        }
    }

    mutating func remove(_ key: RecordKey) -> RecordLocation? {
        switch key {
        case .publish(let number): publishes.remove(number)
        case .client, .received, .inbound: others.removeValue(forKey: key)?.location
        }
    }

    /// What a deletion takes with it.
    mutating func remove(with change: StoreChange) -> [RecordLocation] {
        switch change {
        case .put: []
        case .delete(.publish(let number), _):
            [remove(.publish(number)), others.isEmpty ? nil : remove(.received(number))].compactMap(\.self)
        case .delete(let key, _): [remove(key)].compactMap(\.self)
        case .deleteAllInbound: others.keys.filter(\.isInbound).compactMap { remove($0) }
        }
    }

    /// The records of a segment that nothing could be read of.
    mutating func removeAll(in segment: UInt32) {
        publishes.removeAll(in: segment)
        others = others.filter { $0.value.location.segment != segment }
    }
}

/// Locations by the number of the publish. Numbers grow, so that a sorted array needs no search to add, and little memory.
struct PublishTable: Sendable {
    private struct Row: Sendable {
        var number: UInt64
        /// Nowhere, when it was removed.
        var location: RecordLocation
        var isLive: Bool { location.segment != 0 }
    }

    private var rows: [Row] = []
    /// All rows before are dead.
    private var start = 0
    private(set) var count = 0

    mutating func reserveCapacity(_ capacity: Int) { rows.reserveCapacity(capacity) }

    func location(of number: UInt64) -> RecordLocation? {
        let row = position(of: number)
        return row < rows.count && rows[row].number == number && rows[row].isLive ? rows[row].location : nil
    }

    mutating func set(_ number: UInt64, _ location: RecordLocation) -> RecordLocation? {
        let row = position(of: number)
        if row < rows.count, rows[row].number == number {
            let old = rows[row].location
            rows[row].location = location
            if old.segment != 0 { return old }
        } else {
            rows.insert(Row(number: number, location: location), at: row)
        }
        count += 1
        return nil
    }

    mutating func remove(_ number: UInt64) -> RecordLocation? {
        let row = position(of: number)
        guard row < rows.count, rows[row].number == number, rows[row].isLive else { return nil }
        let old = rows[row].location
        rows[row].location.segment = 0
        count -= 1
        trim()
        return old
    }

    mutating func removeAll(in segment: UInt32) {
        for row in rows.indices where rows[row].location.segment == segment {
            rows[row].location.segment = 0
            count -= 1
        }
        trim()
    }

    func visit(_ body: (UInt64, RecordLocation) -> Void) {
        for row in rows where row.isLive { body(row.number, row.location) }
    }

    private mutating func trim() {
        while start < rows.count, !rows[start].isLive { start += 1 }
        guard rows.count > 64, count < rows.count / 2 else { return }
        rows.removeAll { !$0.isLive }
        start = 0
    }

    /// The first row that is not below the number.
    private func position(of number: UInt64) -> Int {
        guard start < rows.count, let last = rows.last, last.number >= number else { return rows.count }
        // Without gaps, it is found at once.
        let first = rows[start].number
        if number >= first, number - first < UInt64(rows.count - start) {
            let guess = start + Int(number - first)
            if rows[guess].number == number { return guess }
        }
        // A dead row before the start may have the number too.
        var (low, high) = (0, rows.count)
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// The index behind its lock, which is held for look-ups only, never for a disk.
final class SharedJournalIndex: Sendable {
    let contents = Mutex(JournalIndex())
}
