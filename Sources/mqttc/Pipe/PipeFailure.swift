import MQTT

/// Why an op failed, in the words of PIPE.md section 2.
struct PipeFailure: Error, Equatable {
    enum Name: String {
        case denied, closed, down, tooManyRequests, canceled, abandoned, connectionLost, submissionInterrupted
        case connectionRefused, subscribeFailed, protocolViolation, persistence, timeout, unsupported
    }

    var name: Name
    var message: String
    var reasonCode: Int?
    /// With `subscribeFailed`: the filters that were refused, and the codes of all.
    var failed: [String] = []
    var granted: [Int] = []

    init(_ name: Name, _ message: String) {
        self.name = name
        self.message = message
    }

    static func denied(_ message: String) -> PipeFailure { PipeFailure(.denied, message) }
    static func unsupported(_ message: String) -> PipeFailure { PipeFailure(.unsupported, message) }
    static let closed = PipeFailure(.closed, "there is no client")
    static let canceled = PipeFailure(.canceled, "the timeout passed before anything was submitted")
    static let abandoned = PipeFailure(.abandoned, "the timeout passed, the outcome is unknown")

    init(_ error: MQTTError) {
        self.init(Name(error.code), error.description)
        reasonCode = error.code == .connectionRefused ? error.reasonCode.map { Int($0.rawValue) } : nil
        if error.code == .subscribeFailed {
            failed = error.grants.filter(\.reasonCode.isFailure).map(\.filter)
            granted = error.grants.map { Int($0.reasonCode.rawValue) }
        }
    }

    /// The failure of a first connection attempt: how far a connection got before it broke is not told apart.
    init(connecting error: MQTTError) {
        self.init(error)
        if name == .connectionLost || name == .submissionInterrupted { name = .down }
    }
}

extension PipeFailure.Name {
    fileprivate init(_ code: MQTTError.Code) {
        self =
            switch code {
            case .invalidArgument: .denied
            // The message stays with the session; for the script its client is gone.
            case .closed, .suspended: .closed
            case .down: .down
            case .tlsFailed, .certificateExpired, .certificateNotYetValid, .certificateSelfSigned, .certificateUntrusted,
                .certificateNameMismatch, .certificateNotPinned, .clientCertificateRefused, .webSocketRefused, .webSocketFailed,
                .proxyRefused, .proxyFailed:
                .down
            case .tooManyRequests: .tooManyRequests
            case .canceled, .withdrawn: .canceled
            // The answer may come when messages are asked for; nobody knows.
            case .abandoned, .deliveryStalled: .abandoned
            case .connectionLost: .connectionLost
            case .submissionInterrupted: .submissionInterrupted
            case .connectionRefused: .connectionRefused
            case .subscribeFailed: .subscribeFailed
            case .protocolViolation: .protocolViolation
            case .persistence: .persistence
            case .timeout: .timeout
            case .unsupported: .unsupported
            // The set of codes is open. What is unknown here says nothing about the outcome.
            default: .abandoned
            }
    }
}
