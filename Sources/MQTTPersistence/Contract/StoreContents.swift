/// A record as it is known without its body.
public struct StoreEntry: Sendable, Hashable {
    public var key: RecordKey
    public var head: [UInt8]
    /// In bytes.
    public var bodyLength: Int

    public init(_ key: RecordKey, head: [UInt8], bodyLength: Int) {
        self.key = key
        self.head = head
        self.bodyLength = bodyLength
    }
}

/// Something that a store lost. A warning: the rest is intact.
public struct StoreDamage: Sendable, Hashable, CustomStringConvertible {
    /// The record that is lost, when that can be told. Its number is not to be used again.
    public var key: RecordKey?
    /// Where, and what it means, for people.
    public var description: String

    public init(_ key: RecordKey?, _ description: String) {
        self.key = key
        self.description = description
    }
}

/// What a store holds when it is opened: the client first, publishes in the order of their numbers, then receptions, both outbound and
/// inbound, in the order in which they were put. A record that is put again goes to the end of its kind.
///
/// Built for millions: an entry takes its head and 32 bytes. Drop it as soon as it is read.
public struct StoreContents: Sendable, RandomAccessCollection {
    private struct Place: Sendable {
        var key: RecordKey
        var headStart: Int
        var headLength: UInt32
        var bodyLength: UInt32
    }

    private var places: [Place] = []
    private var heads: [UInt8] = []
    /// What was lost.
    public var damage: [StoreDamage] = []

    public init() {}

    /// Takes the heads of all entries to come, without a copy.
    init(heads: [UInt8], count: Int) {
        self.heads = heads
        places.reserveCapacity(count)
    }

    public mutating func reserveCapacity(_ count: Int) { places.reserveCapacity(count) }

    /// Adds an entry behind the others.
    public mutating func append(_ entry: StoreEntry) {
        heads.append(contentsOf: entry.head)
        append(entry.key, headStart: heads.count - entry.head.count, headLength: entry.head.count, bodyLength: entry.bodyLength)
    }

    mutating func append(_ key: RecordKey, headStart: Int, headLength: Int, bodyLength: Int) {
        places.append(
            Place(key: key, headStart: headStart, headLength: UInt32(clamping: headLength), bodyLength: UInt32(clamping: bodyLength)))
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { places.count }

    public subscript(position: Int) -> StoreEntry {
        let place = places[position]
        let head = heads[place.headStart..<place.headStart + Int(place.headLength)]
        return StoreEntry(place.key, head: Array(head), bodyLength: Int(place.bodyLength))
    }

    /// The client that the session belongs to. Nil in a new store, and when that record was lost.
    public var clientID: String? {
        first.flatMap { $0.key == .client ? String(validating: $0.head, as: UTF8.self) : nil }
    }
}
