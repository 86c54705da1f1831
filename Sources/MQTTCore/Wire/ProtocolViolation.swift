/// What a broker did that the standard forbids. It ends the connection, never the process [MQTT-4.8.0-1].
package enum ProtocolViolation: UInt8, Error, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    case reservedPacketType
    case packetTypeFromClient
    case fixedHeaderFlags
    case remainingLengthTooLong
    case remainingLength
    case packetTooLarge
    case packetIdentifierZero
    case malformedText
    case nullCharacter
    case emptyTopicName
    case wildcardInTopicName
    case reservedQoS
    case duplicateFlagOnAtMostOnce
    case connackFlags
    case connackReturnCode
    case sessionPresentOnRefusal
    case sessionPresentAfterClean
    case connackMissing
    case connackRepeated
    case subackReturnCode
    case subackCount
    case identifiersExhausted

    package var message: String { text.0 }

    /// The statement's id, or the section where a rule has none.
    package var citation: String { text.1 }

    private var text: (String, String) {
        switch self {
        case .reservedPacketType: ("reserved packet type", "MQTT 3.1.1 section 2.2.1")
        case .packetTypeFromClient: ("packet type that only a client sends", "MQTT 3.1.1 section 2.2.1")
        case .fixedHeaderFlags: ("wrong flags in the fixed header", "MQTT-2.2.2-2")
        case .remainingLengthTooLong: ("remaining length of more than four bytes", "MQTT 3.1.1 section 2.2.3")
        case .remainingLength: ("remaining length does not fit the packet", "MQTT 3.1.1 section 2.2.3")
        case .packetTooLarge: ("packet larger than the limit of this client", "MQTT 3.1.1 section 2.2.3")
        case .packetIdentifierZero: ("packet identifier 0", "MQTT-2.3.1-1")
        case .malformedText: ("text that is not well-formed UTF-8", "MQTT-1.5.3-1")
        case .nullCharacter: ("text with U+0000", "MQTT-1.5.3-2")
        case .emptyTopicName: ("empty topic name", "MQTT-4.7.3-1")
        case .wildcardInTopicName: ("wildcard in a topic name", "MQTT-3.3.2-2")
        case .reservedQoS: ("PUBLISH with QoS 3", "MQTT-3.3.1-4")
        case .duplicateFlagOnAtMostOnce: ("PUBLISH of QoS 0 with DUP", "MQTT-3.3.1-2")
        case .connackFlags: ("reserved CONNACK flags", "MQTT 3.1.1 section 3.2.2.1")
        case .connackReturnCode: ("reserved CONNACK return code", "MQTT 3.1.1 section 3.2.2.3")
        case .sessionPresentOnRefusal: ("session present in a CONNACK that refuses", "MQTT-3.2.2-4")
        case .sessionPresentAfterClean: ("session present although a clean session was asked for", "MQTT-3.2.2-1")
        case .connackMissing: ("packet ahead of CONNACK", "MQTT-3.2.0-1")
        case .connackRepeated: ("a second CONNACK", "MQTT-3.2.0-1")
        case .subackReturnCode: ("reserved SUBACK return code", "MQTT-3.9.3-2")
        case .subackCount: ("SUBACK with another number of return codes than filters", "MQTT-3.8.4-5")
        case .identifiersExhausted: ("more messages without acknowledgement than there are packet identifiers", "MQTT-2.3.1-4")
        }
    }
}
