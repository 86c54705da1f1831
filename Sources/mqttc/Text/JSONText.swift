/// JSON as text, byte by byte: strings escaped the way of cJSON, which Mosquitto uses, and white space taken out or put in.
enum JSONText {
    /// The inside of a string. The bytes are UTF-8, whole or in pieces.
    static func escape(_ bytes: some Sequence<UInt8>, to text: inout [UInt8]) {
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
            case 0x08: text += [UInt8(ascii: "\\"), UInt8(ascii: "b")]
            case 0x0c: text += [UInt8(ascii: "\\"), UInt8(ascii: "f")]
            case UInt8(ascii: "\n"): text += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case UInt8(ascii: "\r"): text += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
            case UInt8(ascii: "\t"): text += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
            case 0..<0x20:
                text += Array("\\u00".utf8)
                appendHex(byte, isUpper: false, to: &text)
            default: text.append(byte)
            }
        }
    }

    static func quoted(_ string: String) -> [UInt8] {
        var text: [UInt8] = [UInt8(ascii: "\"")]
        escape(string.utf8, to: &text)
        text.append(UInt8(ascii: "\""))
        return text
    }

    static func appendHex(_ byte: UInt8, isUpper: Bool, to text: inout [UInt8]) {
        let letter = isUpper ? UInt8(ascii: "A") : UInt8(ascii: "a")
        for digit in [byte >> 4, byte & 15] { text.append(digit < 10 ? UInt8(ascii: "0") + digit : letter + digit - 10) }
    }

    /// Valid JSON without the white space between its tokens. Numbers stay as they were written.
    static func compact(_ json: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(json.count)
        var strings = StringScanner()
        for byte in json where strings.isWithin(byte) || !isSpace(byte) { text.append(byte) }
        return text
    }

    /// Compact JSON with each member of an object on a line, indented by tabs.
    static func pretty(_ json: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        var strings = StringScanner()
        var containers: [UInt8] = []
        func breakLine() {
            text.append(UInt8(ascii: "\n"))
            text += repeatElement(UInt8(ascii: "\t"), count: containers.count)
        }
        for byte in json {
            if strings.isWithin(byte) {
                text.append(byte)
                continue
            }
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                text.append(byte)
                containers.append(byte)
                if byte == UInt8(ascii: "{") { breakLine() }
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                containers.removeLast()
                if byte == UInt8(ascii: "}") { breakLine() }
                text.append(byte)
            case UInt8(ascii: ","):
                text.append(byte)
                if containers.last == UInt8(ascii: "{") { breakLine() } else { text.append(UInt8(ascii: " ")) }
            case UInt8(ascii: ":"): text += [byte, UInt8(ascii: "\t")]
            default: text.append(byte)
            }
        }
        return text
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\t")
    }

    /// Tells which bytes belong to a string, its quotes included.
    private struct StringScanner {
        private var isInString = false
        private var isEscaped = false

        mutating func isWithin(_ byte: UInt8) -> Bool {
            guard isInString else {
                isInString = byte == UInt8(ascii: "\"")
                return isInString
            }
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString = false
            }
            return true
        }
    }
}
