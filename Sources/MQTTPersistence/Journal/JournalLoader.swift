internal import MQTTCore

/// Finds out what is live, from the records of all segments in the order in which they were written: the last word on a key counts.
struct JournalLoader {
    private struct Publish {
        var number: UInt64
        /// Nowhere for a removal.
        var location: RecordLocation
        var headStart: Int
        var sequence: UInt64
    }

    /// A record whose content is damaged, and the place of its report.
    private struct Damaged {
        var sequence: UInt64
        var report: Int
    }

    private var publishes: [Publish] = []
    private var isSorted = true
    private var others: [RecordKey: (sequence: UInt64, location: RecordLocation, headStart: Int)] = [:]
    private var heads: [UInt8] = []
    /// As far as nothing was written about the same key later.
    private var damaged: [RecordKey: [Damaged]] = [:]
    private(set) var lastSequence: UInt64 = 0

    mutating func add(_ header: RecordHeader, at offset: Int, in segment: UInt32, head: ArraySlice<UInt8>) {
        lastSequence = max(lastSequence, header.sequence)
        if !damaged.isEmpty { forgetDamaged(header) }
        var location = RecordLocation(
            segment: segment, offset: UInt32(offset), headLength: UInt32(header.headLength), bodyLength: UInt32(header.bodyLength))
        switch (header.action, header.key) {
        case (.put, .publish(let number)):
            add(Publish(number: number, location: location, headStart: heads.count, sequence: header.sequence))
            heads.append(contentsOf: head)
        case (.put, let key):
            others[key] = (header.sequence, location, heads.count)
            heads.append(contentsOf: head)
        case (.delete, .publish(let number)):
            location.segment = 0
            add(Publish(number: number, location: location, headStart: 0, sequence: header.sequence))
            others[.received(number)] = nil
        case (.delete, let key): others[key] = nil
        case (.deleteAllInbound, _): others = others.filter { !$0.key.isInbound }
        }
    }

    /// - Parameter report: Where the damage is reported, should the record turn out to be lost.
    mutating func addDamaged(_ header: RecordHeader, report: Int) {
        damaged[header.key, default: []].append(Damaged(sequence: header.sequence, report: report))
    }

    /// The last word on a key counts: what was damaged before is not needed.
    private mutating func forgetDamaged(_ header: RecordHeader) {
        damaged[header.key] = nil
        switch (header.action, header.key) {
        case (.delete, .publish(let number)): damaged[.received(number)] = nil
        case (.deleteAllInbound, _): damaged = damaged.filter { !$0.key.isInbound }
        case (.put, _), (.delete, _): break
        }
    }

    private mutating func add(_ publish: Publish) {
        if let last = publishes.last, last.number >= publish.number { isSorted = false }
        publishes.append(publish)
    }

    /// What is there now, and the places of the reports of records that are lost.
    mutating func finish() -> (index: JournalIndex, contents: StoreContents, lost: Set<Int>) {
        settle()
        var index = JournalIndex()
        let receptions = others.sorted {
            RecordKey.precedes((key: $0.key, order: $0.value.sequence), (key: $1.key, order: $1.value.sequence))
        }
        index.publishes.reserveCapacity(publishes.count)
        var contents = StoreContents(heads: heads, count: publishes.count + receptions.count)
        func add(_ key: RecordKey, _ location: RecordLocation, sequence: UInt64, headStart: Int) {
            _ = index.set(key, location, sequence: sequence)
            contents.append(key, headStart: headStart, headLength: Int(location.headLength), bodyLength: Int(location.bodyLength))
        }
        for (key, record) in receptions where key == .client {
            add(key, record.location, sequence: record.sequence, headStart: record.headStart)
        }
        for publish in publishes { add(.publish(publish.number), publish.location, sequence: 0, headStart: publish.headStart) }
        for (key, record) in receptions where key != .client {
            add(key, record.location, sequence: record.sequence, headStart: record.headStart)
        }
        return (index, contents, lost())
    }

    /// A damaged record is lost unless it is a copy: a copy has the sequence of what it was copied from.
    private func lost() -> Set<Int> {
        var lost: Set<Int> = []
        for (key, records) in damaged {
            let intact = sequence(of: key)
            for record in records where record.sequence != intact { lost.insert(record.report) }
        }
        return lost
    }

    private func sequence(of key: RecordKey) -> UInt64? {
        guard case .publish(let number) = key else { return others[key]?.sequence }
        var (low, high) = (0, publishes.count)
        while low < high {
            let middle = (low + high) / 2
            if publishes[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low < publishes.count && publishes[low].number == number ? publishes[low].sequence : nil
    }

    /// Leaves the last word on each number, in order. Mostly the records are in order already, as long as nothing was copied.
    private mutating func settle() {
        if !isSorted {
            let order = publishes.indices.sorted {
                publishes[$0].number != publishes[$1].number ? publishes[$0].number < publishes[$1].number : $0 < $1
            }
            publishes = order.indices.filter { position in
                position + 1 == order.count || publishes[order[position]].number != publishes[order[position + 1]].number
            }.map { publishes[order[$0]] }
        }
        publishes.removeAll { $0.location.segment == 0 }
    }
}
