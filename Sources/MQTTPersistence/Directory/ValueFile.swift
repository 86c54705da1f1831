internal import MQTTCore

/// A record as a file of its own. Format.md has the same for people.
struct ValueFile: Equatable {
    static let version: UInt32 = 1
    private static let mark: [UInt8] = [0x89, 0x4D, 0x51, 0x54, 0x54, 0x56, 0x0D, 0x0A]  // 89 "MQTTV" CR LF
    /// What it takes beside head and body.
    static let headerLength = 44
    static let headLimit = 1 << 24
    static let bodyLimit = 1 << 30

    enum Reading: Equatable {
        case intact(ValueFile)
        case damaged
        case otherVersion(UInt32)
    }

    var key: RecordKey
    /// Counts all puts of a store: the order of receptions.
    var sequence: UInt64
    var head: [UInt8]
    var body: [UInt8]

    var bytes: [UInt8] {
        var bytes = Self.mark
        bytes.reserveCapacity(Self.headerLength + head.count + body.count)
        bytes.append(word: Self.version)
        bytes.append(word: UInt32(key.code))
        bytes.append(doubleWord: key.number)
        bytes.append(doubleWord: sequence)
        bytes.append(word: UInt32(head.count))
        var content = Checksum()
        content.update(head.span)
        content.update(body.span)
        bytes.append(word: content.value)
        bytes.append(word: Checksum.of(bytes.span))
        return bytes + head + body
    }

    static func read(_ bytes: [UInt8]) -> Reading {
        guard bytes.count >= headerLength, bytes.starts(with: mark) else { return .damaged }
        let span = bytes.span
        guard span.word(at: 40) == Checksum.of(span.extracting(0..<40)) else { return .damaged }
        let version = span.word(at: 8)
        guard version == Self.version else { return .otherVersion(version) }
        let headLength = Int(span.word(at: 32))
        guard headerLength + headLength <= bytes.count, let code = UInt8(exactly: span.word(at: 12)),
            let key = RecordKey(code: code, number: span.doubleWord(at: 16)),
            span.word(at: 36) == Checksum.of(span.extracting(headerLength..<bytes.count)),
            span.doubleWord(at: 24) <= ChangeCount.last
        else { return .damaged }
        let head = Array(bytes[headerLength..<headerLength + headLength])
        let body = Array(bytes[(headerLength + headLength)...])
        return .intact(ValueFile(key: key, sequence: span.doubleWord(at: 24), head: head, body: body))
    }

    /// A name that sorts as numbers do.
    static func name(of key: RecordKey) -> String {
        switch key {
        case .client: "client"
        case .publish(let number): "publish-" + padded(number, to: 20)
        case .received(let number): "received-" + padded(number, to: 20)
        case .inbound(let identifier): "inbound-" + padded(UInt64(identifier), to: 5)
        }
    }

    /// Nil when no record has this name.
    static func key(named name: String) -> RecordKey? {
        let parts = name.split(separator: "-", maxSplits: 1)
        let key: RecordKey? =
            switch (parts.first, parts.count) {
            case ("client", 1): .client
            case ("publish", 2): UInt64(parts[1]).map { .publish($0) }
            case ("received", 2): UInt64(parts[1]).map { .received($0) }
            case ("inbound", 2): UInt16(parts[1]).map { .inbound($0) }
            default: nil
            }
        return key.flatMap { self.name(of: $0) == name ? $0 : nil }
    }

    private static func padded(_ number: UInt64, to width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
