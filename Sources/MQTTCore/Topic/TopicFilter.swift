/// Which topics a subscription is about: levels, with `+` for any one level and `#` for all that follow (section 4.7).
public struct TopicFilter: Sendable {
    public let string: String

    /// - Throws: ``MQTTError/Code/invalidArgument``, with the rule that is broken.
    public init(_ string: String) throws(MQTTError) {
        try TopicFilter.check(string)
        self.string = string
    }

    package static func check(_ string: String) throws(MQTTError) {
        let utf8 = string.utf8
        guard !utf8.isEmpty else { throw .denied("the topic filter is empty", "MQTT-4.7.3-1") }
        guard utf8.count <= 65_535 else { throw .denied("the topic filter is longer than 65,535 bytes in UTF-8", "MQTT-4.7.3-3") }
        guard !utf8.contains(0) else { throw .denied("the topic filter contains U+0000", "MQTT-4.7.3-2") }
        var startsLevel = true
        var wildcard: UInt8?
        for byte in utf8 {
            if let wildcard, byte != UInt8(ascii: "/") || wildcard == UInt8(ascii: "#") { throw misplaced(wildcard) }
            wildcard = nil
            if byte == UInt8(ascii: "#") || byte == UInt8(ascii: "+") {
                guard startsLevel else { throw misplaced(byte) }
                wildcard = byte
            }
            startsLevel = byte == UInt8(ascii: "/")
        }
    }

    private static func misplaced(_ wildcard: UInt8) -> MQTTError {
        wildcard == UInt8(ascii: "#")
            ? .denied("# must be the last character of a topic filter, alone on its level", "MQTT-4.7.1-2")
            : .denied("+ must fill a whole level of a topic filter", "MQTT-4.7.1-3")
    }

    /// Whether a message of this topic belongs to the filter. Costs one pass over both, and compares bytes.
    public func matches(_ topic: String) -> Bool {
        // A filter that begins with a wildcard does not match topics that begin with $ [MQTT-4.7.2-1].
        if topic.utf8.first == UInt8(ascii: "$"), let first = string.utf8.first, first != UInt8(ascii: "$") { return false }
        var levels = topic.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)[...]
        for level in string.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            // "sport/#" also matches "sport": # stands for the parent and any number of levels below (section 4.7.1.2).
            if level.elementsEqual("#".utf8) { return true }
            guard let next = levels.popFirst() else { return false }
            if !level.elementsEqual("+".utf8), !level.elementsEqual(next) { return false }
        }
        return levels.isEmpty
    }
}

extension TopicFilter: Hashable {
    // String equality is by canonical equivalence; MQTT compares bytes [MQTT-4.7.3-4].
    public static func == (lhs: TopicFilter, rhs: TopicFilter) -> Bool { lhs.string.utf8.elementsEqual(rhs.string.utf8) }

    public func hash(into hasher: inout Hasher) {
        for byte in string.utf8 { hasher.combine(byte) }
    }
}

extension TopicFilter: CustomStringConvertible {
    public var description: String { string }
}
