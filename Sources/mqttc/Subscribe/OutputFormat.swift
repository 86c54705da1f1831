/// The format language of mosquitto_sub's -F, and a few letters more.
struct OutputFormat: Equatable, Sendable {
    /// Why a text is no format.
    struct Failure: Error, Equatable {
        let message: String
    }

    /// How a field stands in its width. Bytes count, as in Mosquitto.
    struct Layout: Equatable, Sendable {
        var width = 0
        var maximum: Int?
        var isLeft = false
        var isZeroPadded = false
    }

    enum Field: Equatable, Sendable {
        case topic, lastLevel, qos, retain, duplicate, packetID, length
        /// Those of MQTT 5.0: empty for now. Numbers are padded with zeros on demand, texts never.
        case numberProperty, textProperty, unpaddedProperty
        case isoTime, unixTime
    }

    enum Coding: Equatable, Sendable {
        case raw, lowerHex, upperHex, base64
    }

    enum Piece: Equatable, Sendable {
        case text([UInt8])
        case field(Field, Layout)
        case payload(Coding, Layout)
        /// A conversion of strftime(3).
        case time(UInt8)
        case nanoseconds
        /// The JSON of mosquitto_sub, the payload as text or as JSON of its own.
        case json(embedsPayload: Bool)
        /// One of our objects, as `--json` prints them.
        case object
    }

    let pieces: [Piece]

    init(pieces: [Piece]) {
        self.pieces = pieces
    }

    init(_ text: String) throws(Failure) {
        var pieces: [Piece] = []
        var plain: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            let piece: Piece?
            switch byte {
            case UInt8(ascii: "%"): piece = try Self.percent(&rest)
            case UInt8(ascii: "@"): piece = try Self.at(&rest)
            case UInt8(ascii: "\\"): piece = .text([try Self.escaped(&rest)])
            default:
                plain.append(byte)
                continue
            }
            if case .text(let bytes) = piece {
                plain += bytes
            } else if let piece {
                if !plain.isEmpty { pieces.append(.text(plain)) }
                plain = []
                pieces.append(piece)
            }
        }
        if !plain.isEmpty { pieces.append(.text(plain)) }
        self.pieces = pieces
    }

    private static func percent(_ rest: inout Substring.UTF8View) throws(Failure) -> Piece {
        var layout = Layout()
        if rest.first == UInt8(ascii: "-") {
            layout.isLeft = true
            rest.removeFirst()
        }
        if rest.first == UInt8(ascii: "0") {
            layout.isZeroPadded = !layout.isLeft
            rest.removeFirst()
        }
        layout.width = try number(&rest) ?? 0
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            layout.maximum = try number(&rest) ?? 0
        }
        guard let letter = rest.popFirst() else { throw Failure(message: "Incomplete format specifier.") }
        guard let piece = piece(letter, layout) else {
            throw Failure(message: "Invalid format specifier '\(Character(UnicodeScalar(letter)))'.")
        }
        return piece
    }

    /// At most 10,000: a width is for people, and memory is bounded.
    private static func number(_ rest: inout Substring.UTF8View) throws(Failure) -> Int? {
        var value: Int?
        while let digit = rest.first, UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit {
            rest.removeFirst()
            let next = (value ?? 0) * 10 + Int(digit - UInt8(ascii: "0"))
            guard next <= 10_000 else { throw Failure(message: "A field width above 10000.") }
            value = next
        }
        return value
    }

    private static func piece(_ letter: UInt8, _ layout: Layout) -> Piece? {
        switch letter {
        case UInt8(ascii: "%"): .text([letter])
        case UInt8(ascii: "t"): .field(.topic, layout)
        case UInt8(ascii: "q"): .field(.qos, Layout())
        case UInt8(ascii: "r"): .field(.retain, Layout())
        case UInt8(ascii: "l"): .field(.length, layout)
        case UInt8(ascii: "m"): .field(.packetID, layout)
        case UInt8(ascii: "p"): .payload(.raw, layout)
        case UInt8(ascii: "x"): .payload(.lowerHex, layout)
        case UInt8(ascii: "X"): .payload(.upperHex, layout)
        case UInt8(ascii: "I"): .field(.isoTime, layout)
        case UInt8(ascii: "U"): .field(.unixTime, Layout())
        case UInt8(ascii: "j"): .json(embedsPayload: false)
        case UInt8(ascii: "J"): .json(embedsPayload: true)
        case UInt8(ascii: "A"), UInt8(ascii: "E"), UInt8(ascii: "F"), UInt8(ascii: "S"): .field(.numberProperty, layout)
        case UInt8(ascii: "C"), UInt8(ascii: "R"): .field(.textProperty, layout)
        case UInt8(ascii: "D"), UInt8(ascii: "P"): .field(.unpaddedProperty, Layout())
        // Ours.
        case UInt8(ascii: "b"): .payload(.base64, layout)
        case UInt8(ascii: "d"): .field(.duplicate, Layout())
        case UInt8(ascii: "L"): .field(.lastLevel, layout)
        case UInt8(ascii: "N"): .object
        default: nil
        }
    }

    private static func at(_ rest: inout Substring.UTF8View) throws(Failure) -> Piece {
        guard let letter = rest.popFirst() else { throw Failure(message: "Incomplete format specifier.") }
        switch letter {
        case UInt8(ascii: "@"): return .text([letter])
        case UInt8(ascii: "N"): return .nanoseconds
        default: return .time(letter)
        }
    }

    private static func escaped(_ rest: inout Substring.UTF8View) throws(Failure) -> UInt8 {
        guard let letter = rest.popFirst() else { throw Failure(message: "Incomplete escape specifier.") }
        switch letter {
        case UInt8(ascii: "\\"): return letter
        case UInt8(ascii: "0"): return 0
        case UInt8(ascii: "a"): return 7
        case UInt8(ascii: "e"): return 0x1b
        case UInt8(ascii: "n"): return UInt8(ascii: "\n")
        case UInt8(ascii: "r"): return UInt8(ascii: "\r")
        case UInt8(ascii: "t"): return UInt8(ascii: "\t")
        case UInt8(ascii: "v"): return 0x0b
        default: throw Failure(message: "Invalid escape specifier '\(Character(UnicodeScalar(letter)))'.")
        }
    }
}
