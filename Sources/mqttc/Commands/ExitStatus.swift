import ArgumentParser
import MQTT

/// The exit status of the commands, documented in the help of `mqttc`. The numbers are those of sysexits.h where it has one.
enum ExitStatus {
    static let failure: Int32 = 1
    static let usage: Int32 = 64
    static let publishRejected: Int32 = 65
    static let subscriptionDenied: Int32 = 66
    static let unavailable: Int32 = 69
    static let store: Int32 = 74
    static let timeout: Int32 = 75
    static let protocolViolation: Int32 = 76
    static let notAuthorized: Int32 = 77

    /// As shells report a process that died by the signal.
    static func signal(_ number: Int32) -> Int32 { 128 + number }

    static func of(_ error: MQTTError) -> Int32 {
        switch error.code {
        case .invalidArgument, .unsupported: usage
        case .connectionRefused: refused(error.reasonCode)
        case .subscribeFailed: subscriptionDenied
        case .clientCertificateRefused, .credentialsUnavailable: notAuthorized
        case .webSocketRefused, .proxyRefused: ConnectRefusal(error) == .credentials ? notAuthorized : unavailable
        case .down, .connectionLost, .submissionInterrupted, .tlsFailed, .webSocketFailed, .proxyFailed, .certificateExpired,
            .certificateNotYetValid, .certificateSelfSigned, .certificateUntrusted, .certificateNameMismatch, .certificateNotPinned:
            unavailable
        case .persistence, .payloadUnavailable: store
        case .timeout, .canceled, .abandoned: timeout
        case .protocolViolation: protocolViolation
        default: failure
        }
    }

    /// When standard output took not everything: the disk is full, or nobody reads any more, who knows why. Nil when it did.
    static func of(output failure: SystemFile.Failure?) -> Int32? {
        guard let failure else { return nil }
        if failure.isBrokenPipe { return ExitStatus.failure }
        Complaints.say("standard output: \(failure.message)")
        return store
    }

    /// CONNACK return codes, table 3.1 of the 3.1.1 standard.
    private static func refused(_ code: ReasonCode?) -> Int32 {
        switch code {
        case ReasonCode.unacceptableProtocolVersion: protocolViolation
        case ReasonCode.identifierRejected, ReasonCode.badUserNameOrPassword, ReasonCode.notAuthorized: notAuthorized
        default: unavailable
        }
    }
}
