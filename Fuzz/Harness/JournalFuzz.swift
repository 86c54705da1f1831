import DiskSimulation
import MQTTCore

@testable import MQTTPersistence

/// A disk with any bytes under the names of a store. It opens or says why not; what it opens can be used, and is there again the next time.
func fuzzJournal(_ bytes: [UInt8]) {
    var input = Input(bytes)
    let shape = StoreShape(&input)
    let disk = SimulatedDisk()
    disk.files = shape.files(&input)
    guard let found = open(shape.store(on: disk)) else { return }
    checkOrder(found.keys)
    let store = shape.store(on: disk)
    guard let again = open(store, closes: false) else { return require(false, "what was opened opens no more") }
    // Records with the same sequence, which no store writes, have no order among them.
    require(Set(again.keys) == Set(found.keys) && again.values == found.values, "the second time it is \(again.keys), before \(found.keys)")

    var expected = again.values
    let key = RecordKey.publish(7)
    expected[key] = [1, 2, 3]
    var changes = [StoreChange.put(key, head: [9], body: [1, 2, 3])]
    if let victim = again.keys.first(where: { $0 != key }) {
        changes.append(.delete(victim))
        expected[victim] = nil
        if case .publish(let number) = victim { expected[.received(number)] = nil }
    }
    do throws(MQTTError) {
        try store.commit(changes)
    } catch {
        return require(error.message.contains("counted to its end"), "it does not take a commit: \(error)")
    }
    store.close()
    guard let last = open(shape.store(on: disk)) else { return require(false, "it opens no more after a commit") }
    require(last.values == expected, "after a commit it has \(last.keys), and should have \(expected.keys)")
}

private struct StoreShape {
    private let isDirectory: Bool
    private let mendsChecksums: Bool
    private let segmentLimit: Int
    private let numbers: [UInt32]

    init(_ input: inout Input) {
        let choice = input.byte()
        isDirectory = choice & 1 != 0
        mendsChecksums = choice & 2 != 0
        segmentLimit = choice & 4 != 0 ? 200 : 8 << 20
        // The usual names, or such with gaps.
        numbers = choice & 8 != 0 ? [1, 3, .max - 1] : [1, 2, 3]
    }

    func store(on disk: SimulatedDisk) -> any SessionStore {
        isDirectory
            ? DirectorySessionStore(at: "store", files: disk) : JournalSessionStore(at: "store", files: disk, segmentLimit: segmentLimit)
    }

    func files(_ input: inout Input) -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        let names = ["client", "publish-00000000000000000007", "inbound-00009"]
        for index in 0..<3 {
            let length = Int(input.word())
            var bytes = input.take(length)
            guard length > 0 else { continue }
            if isDirectory {
                files["store/\(names[index])"] = bytes
            } else {
                if mendsChecksums { mend(&bytes, in: numbers[index]) }
                files["store/\(Journal.name(of: numbers[index]))"] = bytes
            }
        }
        return files
    }
}

/// Puts the right checksums where headers are, so that chance need not find them: what comes behind them is what is to be tested.
private func mend(_ bytes: inout [UInt8], in segment: UInt32) {
    if bytes.count >= SegmentHeader.length {
        put(segment, into: &bytes, at: 12)
        put(Checksum.of(Array(bytes[..<32]).span), into: &bytes, at: 32)
    }
    guard bytes.count >= RecordHeader.length else { return }
    for offset in 0...(bytes.count - RecordHeader.length) where bytes[offset...].starts(with: RecordHeader.mark) {
        let start = offset + RecordHeader.length
        let length = Int(bytes.span.word(at: offset + 12)) + Int(bytes.span.word(at: offset + 16))
        if length <= bytes.count - start {
            put(Checksum.of(Array(bytes[start..<start + length]).span), into: &bytes, at: offset + 20)
        }
        var checksum = Checksum()
        checksum.update(Array(bytes[offset + 8..<offset + 40]).span)
        checksum.update(UInt64(segment) << 32 | UInt64(offset))
        put(checksum.value, into: &bytes, at: offset + 40)
    }
}

private func put(_ value: UInt32, into bytes: inout [UInt8], at offset: Int) {
    for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index))) }
}

/// Nil when it says that it cannot be opened. What cannot be read back is a finding.
private func open(_ store: any SessionStore, closes: Bool = true) -> (keys: [RecordKey], values: [RecordKey: [UInt8]])? {
    do throws(MQTTError) {
        let contents = try store.open()
        defer { if closes { store.close() } }
        var values: [RecordKey: [UInt8]] = [:]
        for entry in contents {
            let body = try store.record(of: entry.key).body
            require(body.count == entry.bodyLength, "\(entry.key) has another length")
            require(values.updateValue(body, forKey: entry.key) == nil, "\(entry.key) is there twice")
        }
        return (contents.map(\.key), values)
    } catch {
        require(error.code == .persistence, "it fails with \(error)")
        return nil
    }
}

/// The client first, publishes in the order of their numbers, then receptions.
private func checkOrder(_ keys: [RecordKey]) {
    var rank = 0
    var lastNumber: UInt64?
    for key in keys {
        let next: Int
        switch key {
        case .client: next = 0
        case .publish(let number):
            next = 1
            require(lastNumber.map { $0 < number } ?? true, "publishes are out of order")
            lastNumber = number
        case .received, .inbound: next = 2
        }
        require(next >= rank, "\(keys) are out of order")
        rank = next
    }
}
