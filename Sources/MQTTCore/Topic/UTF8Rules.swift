/// What the standard asks of every string: well-formed UTF-8 without surrogates [MQTT-1.5.3-1] and without U+0000 [MQTT-1.5.3-2].
///
/// EF BB BF is the character U+FEFF wherever it stands, and is kept [MQTT-1.5.3-3].
package enum UTF8Rules {
    /// Checks a run of bytes from a peer. Returns nil when they obey the rules.
    package static func violation(in bytes: Span<UInt8>, _ range: Range<Int>) -> ProtocolViolation? {
        var index = range.lowerBound
        let end = range.upperBound
        while index < end {
            let lead = bytes[index]
            if lead < 0x80 {
                if lead == 0 { return .nullCharacter }
                index += 1
                continue
            }
            let length = sequenceLength(lead)
            guard length > 0, index + length <= end, isSequence(bytes, at: index, length) else { return .malformedText }
            index += length
        }
        return nil
    }

    /// Length by the lead byte; 0 for bytes that cannot lead (continuations, overlong C0 and C1, F5 and above).
    private static func sequenceLength(_ lead: UInt8) -> Int {
        switch lead {
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 0
        }
    }

    private static func isSequence(_ bytes: Span<UInt8>, at index: Int, _ length: Int) -> Bool {
        let second = bytes[index + 1]
        // The second byte is where overlong forms, surrogates and values above U+10FFFF show (Unicode, table 3-7).
        switch bytes[index] {
        case 0xE0: guard 0xA0...0xBF ~= second else { return false }
        case 0xED: guard 0x80...0x9F ~= second else { return false }
        case 0xF0: guard 0x90...0xBF ~= second else { return false }
        case 0xF4: guard 0x80...0x8F ~= second else { return false }
        default: guard 0x80...0xBF ~= second else { return false }
        }
        for offset in 2..<max(length, 2) where !(0x80...0xBF ~= bytes[index + offset]) { return false }
        return true
    }

    /// Checks a string of the application's: at most 65,535 bytes, no U+0000. A Swift string is well-formed by construction.
    package static func check(_ string: String, _ what: String) throws(MQTTError) {
        let utf8 = string.utf8
        guard utf8.count <= 65_535 else { throw .denied("\(what) is longer than 65,535 bytes in UTF-8", "MQTT-1.5.3") }
        guard !utf8.contains(0) else { throw .denied("\(what) contains U+0000", "MQTT-1.5.3-2") }
    }
}
