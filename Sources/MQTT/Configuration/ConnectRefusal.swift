/// Why somebody who could be reached does not let the client in.
public enum ConnectRefusal: Sendable, Hashable, CaseIterable {
    /// User name, password, client identifier, or the client's certificate are not accepted; so are HTTP's 401, 403 and 407.
    case credentials
    case banned
    /// The broker is unavailable or busy; so is HTTP's 503.
    case busy
    /// There were too many connections or messages; so is HTTP's 429.
    case quota
    /// The broker is elsewhere; so are HTTP's redirections.
    case moved
    /// It does not speak this version of the protocol.
    case protocolVersion

    /// What kind of refusal an error of ``ConnectionState/attemptFailed(_:)`` is. Nil when it is none.
    public init?(_ error: MQTTError) {
        let refusal: ConnectRefusal? =
            switch error.code {
            case .connectionRefused: error.reasonCode.flatMap(Self.init(code:))
            case .clientCertificateRefused: .credentials
            case .webSocketRefused, .proxyRefused: error.httpStatus.flatMap(Self.init(status:))
            default: nil
            }
        guard let refusal else { return nil }
        self = refusal
    }

    /// The return codes of CONNACK, of 3.1.1 and of 5.0.
    private init?(code: ReasonCode) {
        switch code.rawValue {
        case 0x01, 0x84: self = .protocolVersion
        case 0x02, 0x04, 0x05, 0x85, 0x86, 0x87, 0x8C: self = .credentials
        case 0x03, 0x88, 0x89: self = .busy
        case 0x8A: self = .banned
        case 0x97, 0x9F: self = .quota
        case 0x9C, 0x9D: self = .moved
        default: return nil
        }
    }

    private init?(status: Int) {
        switch status {
        case 401, 403, 407: self = .credentials
        case 429: self = .quota
        case 503: self = .busy
        case 300...399: self = .moved
        default: return nil
        }
    }
}

extension ReconnectPolicy {
    /// What follows on a refusal, once no other broker of the list is left to be asked.
    public enum Reaction: Sendable, Hashable {
        /// The next attempt comes after ``ReconnectPolicy/maximum``.
        case retrySlowly
        /// The next attempt comes after ``ReconnectPolicy/minimum``. For ``Configuration/credentialProvider``, whose next answer may do.
        case retryQuickly
        /// No more attempts until ``MQTTClient/connectNow()``.
        case pause
        /// The client ends, and `run` throws the refusal.
        case end
    }
}
