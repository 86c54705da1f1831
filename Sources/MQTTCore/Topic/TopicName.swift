/// The topic of a message: at least one character, at most 65,535 bytes, no wildcards, no U+0000 (section 4.7).
///
/// Two topics are the same when their bytes are [MQTT-4.7.3-4]: no Unicode normalization takes part.
public struct TopicName: Sendable {
    public let string: String

    /// - Throws: ``MQTTError/Code/invalidArgument``, with the rule that is broken.
    public init(_ string: String) throws(MQTTError) {
        try TopicName.check(string)
        self.string = string
    }

    /// The check alone, one pass over the bytes.
    package static func check(_ string: String) throws(MQTTError) {
        let utf8 = string.utf8
        guard !utf8.isEmpty else { throw .denied("the topic name is empty", "MQTT-4.7.3-1") }
        guard utf8.count <= 65_535 else { throw .denied("the topic name is longer than 65,535 bytes in UTF-8", "MQTT-4.7.3-3") }
        for byte in utf8 {
            if byte == UInt8(ascii: "#") || byte == UInt8(ascii: "+") { throw .denied("wildcard in topic name", "MQTT-3.3.2-2") }
            if byte == 0 { throw .denied("the topic name contains U+0000", "MQTT-4.7.3-2") }
        }
    }

    /// Checks a topic name from a peer, whose text rules have been checked.
    package static func violation(in bytes: Span<UInt8>, _ range: Range<Int>) -> ProtocolViolation? {
        if range.isEmpty { return .emptyTopicName }
        for index in range where bytes[index] == UInt8(ascii: "#") || bytes[index] == UInt8(ascii: "+") { return .wildcardInTopicName }
        return nil
    }
}

extension TopicName: Hashable {
    // String equality is by canonical equivalence; MQTT compares bytes [MQTT-4.7.3-4].
    public static func == (lhs: TopicName, rhs: TopicName) -> Bool { lhs.string.utf8.elementsEqual(rhs.string.utf8) }

    public func hash(into hasher: inout Hasher) {
        for byte in string.utf8 { hasher.combine(byte) }
    }
}

extension TopicName: CustomStringConvertible {
    public var description: String { string }
}
