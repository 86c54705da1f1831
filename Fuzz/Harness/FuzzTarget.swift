import Glibc

/// What is fuzzed. Each takes any bytes, and ends the process when a property does not hold.
enum FuzzTarget: String, CaseIterable, Sendable {
    /// The client's decoder and the cutting of a stream into packets.
    case decoder
    /// The session, by events in any order.
    case session
    /// The journal and the directory, opening what a disk may hold.
    case journal
    case topics
    /// The lines of `mqttc pipe`.
    case pipe
    /// The broker of MQTTTesting, by bytes from clients.
    case broker

    /// By the environment, for the whole process: what libFuzzer calls captures nothing.
    static let chosen = environment("FUZZ_TARGET").flatMap(FuzzTarget.init)
}

/// Whether an input is to be told step by step: `scripts/fuzz TARGET FILE` asks for it.
let isTracing = environment("FUZZ_TRACE") != nil

private func environment(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }

func run(_ bytes: [UInt8]) {
    switch FuzzTarget.chosen {
    case nil: return
    case .decoder: fuzzDecoder(bytes)
    case .session: fuzzSession(bytes)
    case .journal: fuzzJournal(bytes)
    case .topics: fuzzTopics(bytes)
    case .pipe: fuzzPipe(bytes)
    case .broker: fuzzBroker(bytes)
    }
}

/// Says what is wrong, and ends the process, so that libFuzzer keeps the input.
func require(_ condition: @autoclosure () -> Bool, _ finding: @autoclosure () -> String) {
    if condition() { return }
    print("FINDING: \(finding())")
    fflush(nil)
    abort()
}

/// An input, byte by byte; zeros when it is at its end.
struct Input {
    private let bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position >= bytes.count }

    mutating func byte() -> UInt8 {
        defer { position += 1 }
        return position < bytes.count ? bytes[position] : 0
    }

    mutating func number(below limit: Int) -> Int { Int(byte()) % limit }

    mutating func word() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }

    mutating func flag() -> Bool { byte() & 1 == 1 }

    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, position + count)
        defer { position = max(position, end) }
        return position < end ? Array(bytes[position..<end]) : []
    }

    mutating func rest() -> [UInt8] { take(bytes.count) }
}

/// Cuts bytes into pieces whose lengths follow from `seed`: 0 is single bytes.
func pieces(of bytes: [UInt8], seed: UInt8) -> [[UInt8]] {
    var state = UInt32(seed)
    var pieces: [[UInt8]] = []
    var position = 0
    while position < bytes.count {
        state = state &* 1_664_525 &+ UInt32(seed)
        let length = seed == 0 ? 1 : 1 + Int(state >> 16) % Int(seed)
        pieces.append(Array(bytes[position..<min(bytes.count, position + length)]))
        position += length
    }
    return pieces
}
