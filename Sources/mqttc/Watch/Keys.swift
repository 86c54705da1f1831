/// What somebody pressed.
enum Key: Equatable, Sendable {
    case up, down, left, right, pageUp, pageDown, home, end
    case enter, escape, backspace
    case character(Character)
}

/// Tells keys apart in what a terminal sends.
struct KeyParser {
    private var pending: [UInt8] = []

    /// - Returns: The keys that are complete. An escape at the end of a chunk is the key itself: sequences come in one piece.
    mutating func feed(_ bytes: [UInt8]) -> [Key] {
        pending += bytes
        var keys: [Key] = []
        while let first = pending.first {
            if first == 0x1b {
                keys += takeSequence()
                continue
            }
            let length = Self.length(of: first)
            guard pending.count >= length else { break }
            let taken = Array(pending.prefix(length))
            pending.removeFirst(length)
            if let key = Self.key(taken) { keys.append(key) }
        }
        return keys
    }

    private mutating func takeSequence() -> [Key] {
        guard pending.count >= 3, pending[1] == UInt8(ascii: "[") || pending[1] == UInt8(ascii: "O") else {
            pending.removeFirst()
            return [.escape]
        }
        let end = pending.dropFirst(2).firstIndex { 0x40...0x7e ~= $0 } ?? pending.count - 1
        let sequence = Array(pending[2...end])
        pending.removeFirst(end + 1)
        switch sequence {
        case Array("A".utf8): return [.up]
        case Array("B".utf8): return [.down]
        case Array("C".utf8): return [.right]
        case Array("D".utf8): return [.left]
        case Array("H".utf8), Array("1~".utf8): return [.home]
        case Array("F".utf8), Array("4~".utf8): return [.end]
        case Array("5~".utf8): return [.pageUp]
        case Array("6~".utf8): return [.pageDown]
        default: return []
        }
    }

    private static func length(of first: UInt8) -> Int {
        switch first {
        case 0xc0...0xdf: 2
        case 0xe0...0xef: 3
        case 0xf0...0xf7: 4
        default: 1
        }
    }

    private static func key(_ bytes: [UInt8]) -> Key? {
        switch bytes {
        case [UInt8(ascii: "\r")], [UInt8(ascii: "\n")]: return .enter
        case [0x7f], [0x08]: return .backspace
        default: break
        }
        guard let text = String(validating: bytes, as: UTF8.self), let character = text.first, bytes[0] >= 0x20 else { return nil }
        return .character(character)
    }
}
