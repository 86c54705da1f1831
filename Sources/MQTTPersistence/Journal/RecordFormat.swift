internal import MQTTCore

// The bytes of a journal. Format.md has the same for people. All numbers are little-endian.

/// The start of a segment. Its layout up to the checksum is the same in every version, so that every version can be told.
struct SegmentHeader: Equatable {
    static let version: UInt32 = 1
    static let length = 36
    private static let mark: [UInt8] = [0x89, 0x4D, 0x51, 0x54, 0x54, 0x4A, 0x0D, 0x0A]  // 89 "MQTTJ" CR LF

    var version = SegmentHeader.version
    var segment: UInt32
    /// The segment before this one. Any with a number in between is void.
    var previous: UInt32
    /// The bytes that count in it. What follows there is void.
    var previousLength: UInt64

    init(segment: UInt32, previous: UInt32, previousLength: UInt64) {
        self.segment = segment
        self.previous = previous
        self.previousLength = previousLength
    }

    /// Whether these bytes, all of a segment, may be what a crash has left of a header: its beginning, or a length without a content.
    static func isCutOff(_ bytes: [UInt8]) -> Bool {
        bytes.count < Self.length && (zip(bytes, Self.mark).allSatisfy { $0 == $1 } || bytes.allSatisfy { $0 == 0 })
    }

    /// Nil when these bytes are no intact header.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.length, bytes.starts(with: Self.mark) else { return nil }
        let span = bytes.span
        guard span.word(at: 32) == Checksum.of(span.extracting(0..<32)) else { return nil }
        version = span.word(at: 8)
        segment = span.word(at: 12)
        previous = span.word(at: 16)
        previousLength = span.doubleWord(at: 24)
    }

    var bytes: [UInt8] {
        var bytes = Self.mark
        bytes.append(word: version)
        bytes.append(word: segment)
        bytes.append(word: previous)
        bytes.append(word: 0)
        bytes.append(doubleWord: previousLength)
        bytes.append(word: Checksum.of(bytes.span))
        return bytes
    }
}

/// The start of a record. Head and body follow.
struct RecordHeader: Equatable {
    enum Action: UInt8 {
        case put = 1
        case delete = 2
        case deleteAllInbound = 3
    }

    static let length = 44
    static let mark: [UInt8] = [0xF5, 0x52, 0x45, 0x43, 0x9A, 0xC1, 0x0D, 0x0A]  // no UTF-8 text has these bytes
    static let headLimit = 1 << 24
    static let bodyLimit = 1 << 30

    var action: Action
    var key: RecordKey
    var headLength: Int
    var bodyLength: Int
    var contentChecksum: UInt32
    /// Counts all changes of a store: the order of receptions.
    var sequence: UInt64

    var size: Int { Self.length + headLength + bodyLength }

    init(_ change: StoreChange, sequence: UInt64) {
        var content = Checksum()
        switch change {
        case .put(let key, let head, let body):
            (action, self.key, headLength, bodyLength) = (.put, key, head.count, body.count)
            content.update(head.span)
            content.update(body.span)
        case .delete(let key, _): (action, self.key, headLength, bodyLength) = (.delete, key, 0, 0)
        case .deleteAllInbound: (action, key, headLength, bodyLength) = (.deleteAllInbound, .client, 0, 0)
        }
        contentChecksum = content.value
        self.sequence = sequence
    }

    /// Nil when there is no intact header at that place. The checksum covers the place: a copy of a record, such as a payload that holds
    /// a journal, is no record.
    init?(_ bytes: Span<UInt8>, at offset: Int, in segment: UInt32) {
        guard offset + Self.length <= bytes.count else { return nil }
        self.init(record: bytes.extracting(offset..<offset + Self.length), at: offset, in: segment)
    }

    /// The same from the bytes of the record alone.
    init?(record bytes: Span<UInt8>, at offset: Int, in segment: UInt32) {
        guard bytes.count >= Self.length else { return nil }
        for index in 0..<8 where bytes[index] != Self.mark[index] { return nil }
        let fields = bytes.extracting(8..<40)
        guard bytes.word(at: 40) == Self.checksum(fields, at: offset, in: segment) else { return nil }
        guard let action = Action(rawValue: fields[0]), let key = RecordKey(code: fields[1], number: fields.doubleWord(at: 16)) else {
            return nil
        }
        self.action = action
        self.key = key
        headLength = Int(fields.word(at: 4))
        bodyLength = Int(fields.word(at: 8))
        contentChecksum = fields.word(at: 12)
        sequence = fields.doubleWord(at: 24)
        guard sequence <= ChangeCount.last else { return nil }
    }

    func append(to bytes: inout [UInt8], at offset: Int, in segment: UInt32) {
        let start = bytes.count
        bytes.append(contentsOf: Self.mark)
        bytes.append(word: UInt32(action.rawValue) | UInt32(key.code) << 8)
        bytes.append(word: UInt32(headLength))
        bytes.append(word: UInt32(bodyLength))
        bytes.append(word: contentChecksum)
        bytes.append(doubleWord: key.number)
        bytes.append(doubleWord: sequence)
        bytes.append(word: Self.checksum(bytes.span.extracting(start + 8..<start + 40), at: offset, in: segment))
    }

    private static func checksum(_ fields: Span<UInt8>, at offset: Int, in segment: UInt32) -> UInt32 {
        var checksum = Checksum()
        checksum.update(fields)
        checksum.update(UInt64(segment) << 32 | UInt64(UInt32(truncatingIfNeeded: offset)))
        return checksum.value
    }
}

extension RecordKey {
    var code: UInt8 {
        switch self {
        case .client: 1
        case .publish: 2
        case .received: 3
        case .inbound: 4
        }
    }

    init?(code: UInt8, number: UInt64) {
        switch code {
        case 1: self = .client
        case 2: self = .publish(number)
        case 3: self = .received(number)
        case 4:
            guard let identifier = UInt16(exactly: number) else { return nil }
            self = .inbound(identifier)
        default: return nil
        }
    }
}

extension Span<UInt8> {
    func word(at offset: Int) -> UInt32 {
        UInt32(self[offset]) | UInt32(self[offset + 1]) << 8 | UInt32(self[offset + 2]) << 16 | UInt32(self[offset + 3]) << 24
    }

    func doubleWord(at offset: Int) -> UInt64 { UInt64(word(at: offset)) | UInt64(word(at: offset + 4)) << 32 }
}

extension [UInt8] {
    mutating func append(word: UInt32) {
        append(UInt8(truncatingIfNeeded: word))
        append(UInt8(truncatingIfNeeded: word >> 8))
        append(UInt8(truncatingIfNeeded: word >> 16))
        append(UInt8(truncatingIfNeeded: word >> 24))
    }

    mutating func append(doubleWord: UInt64) {
        append(word: UInt32(truncatingIfNeeded: doubleWord))
        append(word: UInt32(truncatingIfNeeded: doubleWord >> 32))
    }
}
