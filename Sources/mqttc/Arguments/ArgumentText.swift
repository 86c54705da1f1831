import ArgumentParser

/// The command line is bytes, and a payload or a password may be any; swift-argument-parser takes strings. What is not UTF-8 goes
/// through it as characters that stand for bytes, where bytes may stand, and is refused elsewhere: as a topic it would be another one.
enum ArgumentText {
    /// Stands ahead of a character that stands for a byte. A non-character: no text needs it, and one that has it gets it back.
    private static let mark: Unicode.Scalar = "\u{10fffe}"
    /// Byte 0 is U+0100.
    private static let base: UInt32 = 0x100

    /// The words without the program's name, for ``CommandWords``.
    static func words(_ arguments: some Sequence<[UInt8]>) throws(CommandWords.Failure) -> [String] {
        var words: [String] = []
        var option: String?
        for bytes in arguments {
            if let known = option, Spellings.bytes.contains(known) {
                words.append(text(bytes))
                option = nil
            } else if option == nil, let split = assignment(bytes) {
                // In two words: the parser takes `--message=` for a value that is missing.
                words += [split.option, text(split.value)]
            } else if let word = String(validating: bytes, as: UTF8.self) {
                words.append(word)
                option = option == nil && Spellings.withValue.contains(word) ? word : nil
            } else {
                throw CommandWords.Failure(message: "argument \(words.count + 1) is not valid UTF-8: \(shown(bytes))")
            }
        }
        return words
    }

    /// `--message=x` in its parts.
    private static func assignment(_ bytes: [UInt8]) -> (option: String, value: [UInt8])? {
        guard bytes.first == UInt8(ascii: "-"), let end = bytes.firstIndex(of: UInt8(ascii: "=")),
            let option = String(validating: bytes[..<end], as: UTF8.self), Spellings.bytes.contains(option)
        else { return nil }
        return (option, Array(bytes[(end + 1)...]))
    }

    /// With an escape for each byte that is not UTF-8.
    static func text(_ bytes: [UInt8]) -> String {
        var scalars = String.UnicodeScalarView()
        func append(_ escaped: some Sequence<UInt8>) {
            for byte in escaped {
                scalars.append(mark)
                // U+0100 to U+01FF are characters.
                if let scalar = Unicode.Scalar(base + UInt32(byte)) { scalars.append(scalar) }
            }
        }
        var parser = Unicode.UTF8.ForwardParser()
        var rest = bytes.makeIterator()
        var offset = 0
        while true {
            switch parser.parseScalar(from: &rest) {
            case .valid(let encoded):
                let scalar = Unicode.UTF8.decode(encoded)
                if scalar == mark { append(encoded) } else { scalars.append(scalar) }
                offset += encoded.count
            case .error(let length):
                append(bytes[offset..<offset + length])
                offset += length
            case .emptyInput: return String(scalars)
            }
        }
    }

    /// The bytes that ``text(_:)`` was made of; of any other text its UTF-8.
    static func bytes(_ text: String) -> [UInt8] {
        guard text.unicodeScalars.contains(mark) else { return Array(text.utf8) }
        var bytes: [UInt8] = []
        var isMarked = false
        for scalar in text.unicodeScalars {
            if isMarked, let byte = UInt8(exactly: Int(scalar.value) - Int(base)) {
                bytes.removeLast(String(mark).utf8.count)
                bytes.append(byte)
                isMarked = false
            } else {
                bytes += Array(String(Character(scalar)).utf8)
                isMarked = scalar == mark
            }
        }
        return bytes
    }

    /// For a message: printable, and in place of other bytes their numbers, as shells write them.
    private static func shown(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for byte in bytes.prefix(100) {
            if 0x20...0x7e ~= byte {
                text.append(byte)
            } else {
                text += Array("\\x".utf8)
                JSONText.appendHex(byte, isUpper: false, to: &text)
            }
        }
        return String(decoding: text, as: UTF8.self) + (bytes.count > 100 ? "..." : "")
    }
}

/// The value of an option that may be any bytes.
struct ArgumentBytes: ExpressibleByArgument, Equatable, Sendable {
    let bytes: [UInt8]

    init(argument: String) { bytes = ArgumentText.bytes(argument) }
}
