internal import MQTTCore

/// Finds out what is live, from the records of all segments in the order in which they were written: the last word on a key counts.
struct JournalLoader {
    private struct Publish {
        var number: UInt64
        /// Nowhere for a removal.
        var location: RecordLocation
        var headStart: Int
    }

    private var publishes: [Publish] = []
    private var isSorted = true
    private var others: [RecordKey: (sequence: UInt64, location: RecordLocation, headStart: Int)] = [:]
    private var heads: [UInt8] = []
    private(set) var lastSequence: UInt64 = 0

    mutating func add(_ header: RecordHeader, at offset: Int, in segment: UInt32, head: ArraySlice<UInt8>) {
        lastSequence = max(lastSequence, header.sequence)
        var location = RecordLocation(
            segment: segment, offset: UInt32(offset), headLength: UInt32(header.headLength), bodyLength: UInt32(header.bodyLength))
        switch (header.action, header.key) {
        case (.put, .publish(let number)):
            add(Publish(number: number, location: location, headStart: heads.count))
            heads.append(contentsOf: head)
        case (.put, let key):
            others[key] = (header.sequence, location, heads.count)
            heads.append(contentsOf: head)
        case (.delete, .publish(let number)):
            location.segment = 0
            add(Publish(number: number, location: location, headStart: 0))
            others[.received(number)] = nil
        case (.delete, let key): others[key] = nil
        case (.deleteAllInbound, _): others = others.filter { !$0.key.isInbound }
        }
    }

    private mutating func add(_ publish: Publish) {
        if let last = publishes.last, last.number >= publish.number { isSorted = false }
        publishes.append(publish)
    }

    /// What is there now.
    mutating func finish() -> (index: JournalIndex, contents: StoreContents) {
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
        return (index, contents)
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
