/// The rules for strings, topic names and filters, and the matching of the two; independent of MQTTCore on purpose.
enum BrokerText {
    /// Checks the text in `range` of `bytes` against the rules that all strings share.
    static func check(_ bytes: [UInt8], _ range: Range<Int>) throws(Breach) {
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = bytes[index]
            if byte < 0x80 {
                if byte == 0 { throw Breach("MQTT-1.5.3-2", "U+0000 in a string") }
                index += 1
                continue
            }
            guard let length = multiByteLength(bytes, index, range.upperBound) else {
                throw Breach("MQTT-1.5.3-1", "a string is not valid UTF-8")
            }
            index += length
        }
    }

    /// The length of the character at `index`, by table 3-7 of the Unicode standard: no overlong form, no surrogate, none
    /// above U+10FFFF.
    private static func multiByteLength(_ bytes: [UInt8], _ index: Int, _ end: Int) -> Int? {
        let first = bytes[index]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return nil
        }
        guard index + length <= end, second.contains(bytes[index + 1]) else { return nil }
        var offset = 2
        while offset < length {
            guard bytes[index + offset] & 0xC0 == 0x80 else { return nil }
            offset += 1
        }
        return length
    }

    static func checkTopicName(_ bytes: [UInt8], _ range: Range<Int>) throws(Breach) {
        guard !range.isEmpty else { throw Breach("MQTT-4.7.3-1", "the topic name is empty") }
        try check(bytes, range)
        for index in range where bytes[index] == plus || bytes[index] == hash {
            throw Breach("MQTT-3.3.2-2", "a wildcard in a topic name")
        }
    }

    static func checkFilter(_ bytes: [UInt8], _ range: Range<Int>) throws(Breach) {
        guard !range.isEmpty else { throw Breach("MQTT-4.7.3-1", "the topic filter is empty") }
        try check(bytes, range)
        for index in range {
            let startsLevel = index == range.lowerBound || bytes[index - 1] == slash
            let endsText = index + 1 == range.upperBound
            if bytes[index] == hash, !startsLevel || !endsText {
                throw Breach("MQTT-4.7.1-2", "# is not the last level of a filter")
            }
            if bytes[index] == plus, !startsLevel || !(endsText || bytes[index + 1] == slash) {
                throw Breach("MQTT-4.7.1-3", "+ does not fill a level of a filter")
            }
        }
    }

    static func hasWildcard(_ filter: [UInt8]) -> Bool {
        filter.contains(plus) || filter.contains(hash)
    }

    /// Whether a valid filter matches a valid topic, byte by byte [MQTT-4.7.3-4].
    static func matches(filter: [UInt8], topic: [UInt8]) -> Bool {
        guard let first = filter.first, let topicFirst = topic.first else { return false }
        // [MQTT-4.7.2-1]
        if topicFirst == dollar, first == plus || first == hash { return false }
        var f = 0
        var t = 0
        while f < filter.count {
            if filter[f] == hash { return true }
            if filter[f] == plus {
                f += 1
                while t < topic.count, topic[t] != slash { t += 1 }
            } else {
                while f < filter.count, filter[f] != slash {
                    guard t < topic.count, topic[t] == filter[f] else { return false }
                    f += 1
                    t += 1
                }
            }
            // Both must be at the end of a level now.
            if t < topic.count, topic[t] != slash { return false }
            if f == filter.count { return t == topic.count }
            if t == topic.count {
                // "sport/#" also matches its parent, "sport".
                return f + 2 == filter.count && filter[f + 1] == hash
            }
            f += 1
            t += 1
        }
        // The filter ended with a slash: its last level is empty, and so must be the topic's.
        return t == topic.count
    }

    static let plus = UInt8(ascii: "+")
    static let hash = UInt8(ascii: "#")
    static let slash = UInt8(ascii: "/")
    static let dollar = UInt8(ascii: "$")
}
