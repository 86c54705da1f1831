/// What the loss of a connection means to those who wait.
extension LinkLoss {
    func error(wasOnline: Bool, detail: MQTTError?) -> MQTTError {
        switch self {
        case .closed:
            switch (wasOnline, detail) {
            case (true, nil): MQTTError(.connectionLost, .unknown, "the connection was closed")
            case (true, let detail?): MQTTError(.connectionLost, .unknown, detail.message, citation: detail.citation)
            case (false, nil): MQTTError(.down, .notSent, "the connection was closed ahead of CONNACK")
            case (false, let detail?): detail.ofAttempt
            }
        case .silent where !wasOnline: MQTTError(.timeout, .notSent, "no CONNACK within pauseTimeout")
        case .silent(.asleep):
            MQTTError(.connectionLost, .unknown, "the machine slept for longer than the broker waits for a silent client")
        case .silent(let silence): MQTTError(.connectionLost, .unknown, "the broker was silent for pauseTimeout: \(silence.text)")
        case .violation(let violation):
            MQTTError(
                .protocolViolation, .unknown, detail?.message ?? "the broker broke the protocol: \(violation.message)",
                citation: violation.citation)
        case .refused(let code):
            MQTTError(
                .connectionRefused, .refusedByBroker, "the broker refused the connection: \(code.connectionRefusal)", reasonCode: code,
                citation: "MQTT 3.1.1 section 3.2.2.3")
        case .givenUp: MQTTError(.connectionLost, .unknown, "a publish that was sent on it was given up")
        case .local: .closed
        }
    }

    static var sessionLost: MQTTError {
        MQTTError(.connectionLost, .kept, "the broker lost the session; the message goes out again as a new one")
    }

    static var interrupted: MQTTError {
        MQTTError(.submissionInterrupted, .unknown, "the connection was lost before the packet was written in full")
    }

    static func suspended(wasSent: Bool) -> MQTTError {
        wasSent
            ? MQTTError(.suspended, .unknown, "the client ended before the broker had confirmed the message")
            : MQTTError(.suspended, .notSent, "the client ended before the message was sent")
    }

    static var suspendedInStore: MQTTError {
        MQTTError(.suspended, .kept, "the client ended before the broker had confirmed the message; the session goes on with it")
    }
}

extension Silence {
    fileprivate var text: String {
        switch self {
        case .connack: "no CONNACK"
        case .pingresp: "no PINGRESP"
        case .restOfPacket: "a packet was not completed"
        case .writing: "it took no bytes"
        case .asleep: "the machine slept for longer than the keep-alive"
        }
    }
}

extension MQTTError {
    /// The reason of an attempt that failed: no message was sent on it.
    fileprivate var ofAttempt: MQTTError {
        var error = self
        if code == .connectionLost { error.code = .down }
        error.fate = .notSent
        return error
    }
}
