import DiskSimulation
import MQTTPersistence
import Testing

/// The stores that share a contract. Each on a disk of its own.
enum StoreKind: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case memory
    case journal
    case journalOfSmallSegments
    case directory

    static let onDisk: [StoreKind] = [.journal, .journalOfSmallSegments, .directory]

    var testDescription: String { rawValue }

    func store(on disk: SimulatedDisk = SimulatedDisk()) -> any SessionStore {
        switch self {
        case .memory: MemorySessionStore()
        case .journal: JournalSessionStore(at: "store", files: disk)
        case .journalOfSmallSegments: JournalSessionStore(at: "store", files: disk, segmentLimit: 300)
        case .directory: DirectorySessionStore(at: "store", files: disk)
        }
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// A record with everything.
struct Value: Hashable, Sendable {
    var head: [UInt8]
    var body: [UInt8]

    init(_ head: [UInt8] = [], _ body: [UInt8] = []) {
        self.head = head
        self.body = body
    }
}

extension SessionStore {
    /// All there is, bodies too. The store is open afterwards.
    func openAndRead() throws -> (keys: [RecordKey], values: [RecordKey: Value], damage: [StoreDamage]) {
        let contents = try open()
        var values: [RecordKey: Value] = [:]
        for entry in contents { values[entry.key] = Value(entry.head, try record(of: entry.key).body) }
        return (contents.map(\.key), values, contents.damage)
    }
}
