// Tells code, comments and literals of a Swift source apart, so that a rule about code never trips over a comment or a sample.

/// What a byte of Swift source belongs to.
enum Part {
    case code, comment, literal
}

private let newline = UInt8(ascii: "\n")
private let slash = UInt8(ascii: "/")
private let star = UInt8(ascii: "*")
private let hash = UInt8(ascii: "#")
private let quotationMark = UInt8(ascii: "\"")
private let backslash = UInt8(ascii: "\\")
private let opening = UInt8(ascii: "(")
private let closing = UInt8(ascii: ")")

/// A pass over Swift source that marks each byte. It knows line and nested block comments, and strings with `#`, `"""` and
/// interpolations, whose code counts as literal. It does not know regular expression literals: a quote in one ends with its line.
struct Masking {
    private let bytes: [UInt8]
    private var parts: [Part]
    private var position = 0

    init(_ source: String) {
        bytes = Array(source.utf8)
        parts = Array(repeating: .code, count: bytes.count)
        while position < bytes.count {
            switch bytes[position] {
            case slash where byte(1) == slash: lineComment()
            case slash where byte(1) == star: blockComment()
            case quotationMark, hash:
                if let hashes = hashesOfString() {
                    string(hashes: hashes)
                } else {
                    position += 1
                }
            default: position += 1
            }
        }
    }

    /// The source with everything blanked that belongs to another part, line by line.
    func lines(of part: Part) -> [String] {
        let kept = bytes.indices.map { parts[$0] == part || bytes[$0] == newline ? bytes[$0] : UInt8(ascii: " ") }
        return kept.split(separator: newline, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    }

    private func byte(_ offset: Int) -> UInt8? {
        position + offset < bytes.count ? bytes[position + offset] : nil
    }

    private func at(_ text: [UInt8]) -> Bool {
        text.first == bytes[position] && bytes[position...].starts(with: text)
    }

    private mutating func mark(_ part: Part, _ count: Int) {
        for _ in 0..<count where position < bytes.count {
            parts[position] = part
            position += 1
        }
    }

    private mutating func lineComment() {
        while position < bytes.count, bytes[position] != newline {
            mark(.comment, 1)
        }
    }

    private mutating func blockComment() {
        var depth = 0
        repeat {
            let isOpening = bytes[position] == slash && byte(1) == star
            let isClosing = bytes[position] == star && byte(1) == slash
            depth += isOpening ? 1 : isClosing ? -1 : 0
            mark(.comment, isOpening || isClosing ? 2 : 1)
        } while depth > 0 && position < bytes.count
    }

    private func hashesOfString() -> Int? {
        var hashes = 0
        while byte(hashes) == hash { hashes += 1 }
        return byte(hashes) == quotationMark ? hashes : nil
    }

    private mutating func string(hashes: Int) {
        let isMultiline = byte(hashes + 1) == quotationMark && byte(hashes + 2) == quotationMark
        let quotes = isMultiline ? 3 : 1
        let fence = Array(repeating: hash, count: hashes)
        let end = Array(repeating: quotationMark, count: quotes) + fence
        let escape = [backslash] + fence
        mark(.literal, hashes + quotes)
        while position < bytes.count, !at(end) {
            if bytes[position] == newline, !isMultiline { return }
            if at(escape + [opening]) {
                mark(.literal, escape.count)
                interpolation()
            } else {
                mark(.literal, at(escape) ? escape.count + 1 : 1)
            }
        }
        mark(.literal, end.count)
    }

    private mutating func interpolation() {
        var depth = 0
        repeat {
            if let hashes = hashesOfString() {
                string(hashes: hashes)
            } else {
                depth += bytes[position] == opening ? 1 : bytes[position] == closing ? -1 : 0
                mark(.literal, 1)
            }
        } while depth > 0 && position < bytes.count
    }
}
