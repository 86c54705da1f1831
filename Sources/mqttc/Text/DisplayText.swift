/// Texts of others on our terminal: without control characters, which could drive it, and cut by the columns they take.
enum DisplayText {
    /// One line without control characters.
    static func safe(_ text: some StringProtocol) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(isControl(scalar) ? "·" : scalar) }
        return String(result)
    }

    /// As text when it is UTF-8, else its first bytes in hexadecimal.
    static func preview(_ bytes: some Collection<UInt8>, isCut: Bool) -> String {
        var bytes = Array(bytes)
        if isCut { bytes.removeLast(MessageBody.incompleteTail(bytes)) }
        if let text = String(validating: bytes, as: UTF8.self) { return safe(text) }
        var hex: [UInt8] = []
        for byte in bytes.prefix(64) {
            JSONText.appendHex(byte, isUpper: false, to: &hex)
            hex.append(UInt8(ascii: " "))
        }
        return String(decoding: hex.dropLast(), as: UTF8.self)
    }

    /// Cut or filled to exactly so many columns.
    static func fit(_ text: String, _ columns: Int, toRight: Bool = false) -> String {
        guard columns > 0 else { return "" }
        var (result, used) = ("", 0)
        var isCut = false
        for character in text {
            let width = width(of: character)
            if used + width > columns {
                isCut = true
                break
            }
            result.append(character)
            used += width
        }
        if isCut {
            // Room for the mark that something is missing.
            while used > columns - 1, let last = result.popLast() { used -= width(of: last) }
            result.append("…")
            used += 1
        }
        let filling = String(repeating: " ", count: columns - used)
        return toRight ? filling + result : result + filling
    }

    static func width(of character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first else { return 0 }
        switch scalar.value {
        case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60, 0x1f300...0x1faff:
            return 2
        default: return scalar.properties.generalCategory == .nonspacingMark ? 0 : 1
        }
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        // Format characters turn the direction of writing around.
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: true
        default: false
        }
    }
}
