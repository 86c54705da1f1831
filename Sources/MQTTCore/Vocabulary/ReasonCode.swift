/// One byte by which a broker tells the result of a packet: the return codes of CONNACK and SUBACK in 3.1.1, the reason
/// codes of 5.0.
///
/// In 3.1.1 the meaning of a value depends on its packet: 1 to 5 refuse a connection in CONNACK, and grant a QoS in SUBACK.
public struct ReasonCode: RawRepresentable, Sendable, Hashable, BitwiseCopyable {
    public var rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// 0: accepted, acknowledged, or QoS 0 granted.
    public static let success = ReasonCode(rawValue: 0)

    /// CONNACK return code 1 of 3.1.1: the broker does not speak this protocol level.
    public static let unacceptableProtocolVersion = ReasonCode(rawValue: 1)
    /// CONNACK return code 2 of 3.1.1: the client identifier is not allowed.
    public static let identifierRejected = ReasonCode(rawValue: 2)
    /// CONNACK return code 3 of 3.1.1: the MQTT service is unavailable.
    public static let serverUnavailable = ReasonCode(rawValue: 3)
    /// CONNACK return code 4 of 3.1.1: the user name or password is malformed.
    public static let badUserNameOrPassword = ReasonCode(rawValue: 4)
    /// CONNACK return code 5 of 3.1.1: the client is not authorized to connect.
    public static let notAuthorized = ReasonCode(rawValue: 5)

    /// SUBACK return code 128: the subscription was refused.
    public static let subscriptionFailure = ReasonCode(rawValue: 0x80)

    /// Whether a code of SUBACK, or any code of 5.0, tells a failure.
    public var isFailure: Bool { rawValue >= 0x80 }
}

extension ReasonCode: CustomStringConvertible {
    public var description: String {
        let digits = String(rawValue, radix: 16)
        return "0x" + (digits.utf8.count < 2 ? "0" + digits : digits)
    }

    /// The words of table 3.1 of the 3.1.1 standard.
    package var connectionRefusal: String {
        switch rawValue {
        case 1: "unacceptable protocol version"
        case 2: "identifier rejected"
        case 3: "server unavailable"
        case 4: "bad user name or password"
        case 5: "not authorized"
        default: "return code \(rawValue)"
        }
    }
}
