/// Why a text is not JSON that we take.
enum JSONError: Error, Equatable {
    case syntax(at: Int)
    /// Values nested deeper than ``JSONParser/depthLimit``; the parser recurses and must not exhaust the stack.
    case tooDeep
}

/// A strict RFC 8259 parser. Total: no input traps.
///
/// Texts that are no valid Unicode do not end the parse: the caller wants the `id` of such a line. They read as U+FFFD and
/// raise ``hasInvalidText``.
struct JSONParser {
    static let depthLimit = 256

    private let bytes: [UInt8]
    private var at = 0
    private(set) var hasInvalidText = false
    /// The member `id` of the outermost object, once parsed; known even when a limit stopped the parse behind it.
    private(set) var identifier: JSON?

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The whole text is one value, with white space around it.
    mutating func parse() throws(JSONError) -> JSON {
        let value = try parseValue(depth: 0)
        skipWhiteSpace()
        guard at == bytes.count else { throw .syntax(at: at) }
        return value
    }

    private mutating func parseValue(depth: Int) throws(JSONError) -> JSON {
        guard depth <= Self.depthLimit else { throw .tooDeep }
        skipWhiteSpace()
        guard at < bytes.count else { throw .syntax(at: at) }
        switch bytes[at] {
        case UInt8(ascii: "{"): return .object(try parseObject(depth: depth))
        case UInt8(ascii: "["): return .array(try parseArray(depth: depth))
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        default: return try parseNumber()
        }
    }

    private mutating func parseObject(depth: Int) throws(JSONError) -> JSONObject {
        var object = JSONObject()
        at += 1
        if take(UInt8(ascii: "}")) { return object }
        repeat {
            skipWhiteSpace()
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw .syntax(at: at) }
            let name = try parseString()
            guard take(UInt8(ascii: ":")) else { throw .syntax(at: at) }
            let value = try parseValue(depth: depth + 1)
            if depth == 0, name == "id" { identifier = value }
            object.members.append(JSONObject.Member(name: name, value: value))
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw .syntax(at: at) }
        return object
    }

    private mutating func parseArray(depth: Int) throws(JSONError) -> [JSON] {
        var elements: [JSON] = []
        at += 1
        if take(UInt8(ascii: "]")) { return elements }
        repeat {
            elements.append(try parseValue(depth: depth + 1))
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw .syntax(at: at) }
        return elements
    }

    private mutating func parseWord(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
        let count = word.utf8CodeUnitCount
        guard bytes.count - at >= count, bytes[at..<at + count].elementsEqual("\(word)".utf8) else { throw .syntax(at: at) }
        at += count
        return value
    }

    private mutating func parseNumber() throws(JSONError) -> JSON {
        var scanner = JSONNumberScanner(bytes, at: at)
        guard let value = scanner.scan() else { throw .syntax(at: scanner.at) }
        at = scanner.at
        return value
    }

    private mutating func skipWhiteSpace() {
        while at < bytes.count {
            switch bytes[at] {
            case 0x20, 0x09, 0x0a, 0x0d: at += 1
            default: return
            }
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipWhiteSpace()
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        return true
    }
}

// MARK: - Strings

extension JSONParser {
    private mutating func parseString() throws(JSONError) -> String {
        at += 1
        let start = at
        // Most strings have no escape; they need no copy.
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                let text = text(bytes[start..<at])
                at += 1
                return text
            case UInt8(ascii: "\\"):
                return try parseEscaped(from: start)
            case 0..<0x20:
                throw .syntax(at: at)
            default:
                at += 1
            }
        }
        throw .syntax(at: at)
    }

    private mutating func parseEscaped(from start: Int) throws(JSONError) -> String {
        var unescaped = Array(bytes[start..<at])
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return text(unescaped[...])
            case UInt8(ascii: "\\"): try parseEscape(into: &unescaped)
            case 0..<0x20: throw .syntax(at: at - 1)
            default: unescaped.append(byte)
            }
        }
        throw .syntax(at: at)
    }

    private mutating func parseEscape(into unescaped: inout [UInt8]) throws(JSONError) {
        guard at < bytes.count else { throw .syntax(at: at) }
        let byte = bytes[at]
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): unescaped.append(byte)
        case UInt8(ascii: "b"): unescaped.append(0x08)
        case UInt8(ascii: "f"): unescaped.append(0x0c)
        case UInt8(ascii: "n"): unescaped.append(0x0a)
        case UInt8(ascii: "r"): unescaped.append(0x0d)
        case UInt8(ascii: "t"): unescaped.append(0x09)
        case UInt8(ascii: "u"): unescaped.append(contentsOf: String(try parseScalar()).utf8)
        default: throw .syntax(at: at - 1)
        }
    }

    /// What follows `\u`, with the second half of a surrogate pair.
    private mutating func parseScalar() throws(JSONError) -> Character {
        let first = try parseCodeUnit()
        if let scalar = Unicode.Scalar(first) { return Character(scalar) }
        let resume = at
        if first < 0xdc00, at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") {
            at += 2
            let second = try parseCodeUnit()
            if (0xdc00...0xdfff).contains(second), let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00)) {
                return Character(scalar)
            }
            // The second is a character of its own, or another lone one.
            at = resume
        }
        hasInvalidText = true
        return "\u{fffd}"
    }

    private mutating func parseCodeUnit() throws(JSONError) -> UInt32 {
        guard bytes.count - at >= 4 else { throw .syntax(at: at) }
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[at])).hexDigitValue, bytes[at] < 0x80 else { throw .syntax(at: at) }
            unit = unit << 4 | UInt32(digit)
            at += 1
        }
        return unit
    }

    private mutating func text(_ slice: ArraySlice<UInt8>) -> String {
        if let valid = String(validating: slice, as: UTF8.self) { return valid }
        hasInvalidText = true
        return String(decoding: slice, as: UTF8.self)
    }
}
