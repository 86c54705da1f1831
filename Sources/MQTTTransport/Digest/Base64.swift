/// RFC 4648 base64 with the standard alphabet and padding, strict: no white space, no missing padding, no stray bits.
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")
    private static let noDigit: UInt8 = 0xff

    private static let values: [UInt8] = {
        var values = [UInt8](repeating: noDigit, count: 256)
        for (value, digit) in alphabet.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }()

    package static func append(_ data: some Collection<UInt8>, to text: inout [UInt8]) {
        text.reserveCapacity(text.count + (data.count + 2) / 3 * 4)
        var bits: UInt32 = 0
        var count = 0
        for byte in data {
            bits = bits << 8 | UInt32(byte)
            count += 1
            if count == 3 {
                for shift: UInt32 in [18, 12, 6, 0] { text.append(alphabet[Int(bits >> shift & 63)]) }
                bits = 0
                count = 0
            }
        }
        switch count {
        case 1:
            text.append(alphabet[Int(bits >> 2)])
            text.append(alphabet[Int(bits << 4 & 63)])
            text.append(padding)
            text.append(padding)
        case 2:
            text.append(alphabet[Int(bits >> 10)])
            text.append(alphabet[Int(bits >> 4 & 63)])
            text.append(alphabet[Int(bits << 2 & 63)])
            text.append(padding)
        default:
            break
        }
    }

    package static func encode(_ data: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        append(data, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil when the text is not exactly what ``encode(_:)`` makes of some data.
    package static func decode(_ text: String) -> [UInt8]? {
        var digits = Array(text.utf8)
        guard digits.count % 4 == 0 else { return nil }
        var padded = 0
        while padded < 2, digits.last == padding {
            digits.removeLast()
            padded += 1
        }
        var data: [UInt8] = []
        data.reserveCapacity(digits.count * 3 / 4)
        var bits: UInt32 = 0
        var count = 0
        for digit in digits {
            let value = values[Int(digit)]
            guard value != noDigit else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 1
            if count == 4 {
                for shift: UInt32 in [16, 8, 0] { data.append(UInt8(truncatingIfNeeded: bits >> shift)) }
                bits = 0
                count = 0
            }
        }
        return appendTail(bits, count: count, to: &data) ? data : nil
    }

    private static func appendTail(_ bits: UInt32, count: Int, to data: inout [UInt8]) -> Bool {
        switch count {
        case 0:
            return true
        case 2 where bits & 0xf == 0:
            data.append(UInt8(truncatingIfNeeded: bits >> 4))
            return true
        case 3 where bits & 0x3 == 0:
            data.append(UInt8(truncatingIfNeeded: bits >> 10))
            data.append(UInt8(truncatingIfNeeded: bits >> 2))
            return true
        default:
            return false
        }
    }
}
