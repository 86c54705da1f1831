/// Why a call failed, and what that implies about the message or request.
///
/// ``fate`` is the contract: it tells whether anything can have reached the broker. ``code`` says what went wrong.
/// Neither description nor message ever contain a payload, a password or a topic.
public struct MQTTError: Error, Sendable, Hashable {
    /// What became of the message or request.
    public enum Fate: Sendable, Hashable {
        /// It was invalid. Nothing happened, and a retry of the same is futile.
        case denied
        /// Nothing happened: nothing was sent or stored. It may be tried again.
        case notSent
        /// It was submitted, and its outcome is unknown.
        case unknown
        /// The broker answered, and refused.
        case refusedByBroker
        /// It is safe with this client: the delivery goes on, now or when the session is continued.
        case kept
    }

    private struct Contents: Sendable, Hashable {
        var code: Code
        var fate: Fate
        var message: String
        var reasonCode: ReasonCode?
        var citation: String?
        var httpStatus: Int?
        var grants: [SubscriptionGrant]
    }

    /// One pointer: each function that may throw it, and each task that waits in one, would else have room for all of it.
    private indirect enum Storage: Sendable, Hashable {
        case contents(Contents)
    }

    private var storage: Storage

    private var contents: Contents {
        get {
            switch storage {
            case .contents(let contents): contents
            }
        }
        set { storage = .contents(newValue) }
    }

    public var code: Code {
        get { contents.code }
        set { contents.code = newValue }
    }
    public var fate: Fate {
        get { contents.fate }
        set { contents.fate = newValue }
    }
    /// What was wrong, for people.
    public var message: String {
        get { contents.message }
        set { contents.message = newValue }
    }
    /// The code of the broker, when it sent one.
    public var reasonCode: ReasonCode? {
        get { contents.reasonCode }
        set { contents.reasonCode = newValue }
    }
    /// The statement of the standard behind the error, such as `MQTT-3.3.2-2`, when there is one.
    public var citation: String? {
        get { contents.citation }
        set { contents.citation = newValue }
    }
    /// The status by which an HTTP server or proxy on the way to the broker refused.
    public var httpStatus: Int? {
        get { contents.httpStatus }
        set { contents.httpStatus = newValue }
    }
    /// The answer to each filter, in the order of the request. Not empty with ``Code/subscribeFailed``.
    public var grants: [SubscriptionGrant] {
        get { contents.grants }
        set { contents.grants = newValue }
    }

    public init(
        _ code: Code, _ fate: Fate, _ message: String, reasonCode: ReasonCode? = nil, citation: String? = nil,
        grants: [SubscriptionGrant] = []
    ) {
        storage = .contents(
            Contents(code: code, fate: fate, message: message, reasonCode: reasonCode, citation: citation, grants: grants))
    }

    /// An invalid argument: nothing happened.
    package static func denied(_ message: String, _ citation: String? = nil) -> MQTTError {
        MQTTError(.invalidArgument, .denied, message, citation: citation)
    }
}

extension MQTTError {
    /// What went wrong: an open set, compare with the constants.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        public let description: String

        private init(_ name: String) { description = name }

        /// An argument breaks a rule. Nothing was sent, nothing was stored.
        public static let invalidArgument = Code("invalidArgument")
        /// The client was ended, by `disconnect`, `close`, or the end of `run`.
        public static let closed = Code("closed")
        /// There is no connection right now. Nothing was sent.
        public static let down = Code("down")
        /// A limit is used up: of the queue of that QoS level, of the outbound buffer, or of open requests. Nothing was sent.
        public static let tooManyRequests = Code("tooManyRequests")
        /// The task was canceled, or the time-out passed, before anything was submitted. It has no effect now or later.
        public static let canceled = Code("canceled")
        /// The task was canceled, or the time-out passed, after the request was submitted; or the application gave up a publish that
        /// may have been sent. Its outcome is unknown.
        public static let abandoned = Code("abandoned")
        /// The connection was lost while the response was awaited.
        public static let connectionLost = Code("connectionLost")
        /// The connection was lost before the operating system had all bytes of the packet.
        public static let submissionInterrupted = Code("submissionInterrupted")
        /// CONNACK with an error code. See ``MQTTError/reasonCode``.
        public static let connectionRefused = Code("connectionRefused")
        /// The broker refused at least one of the filters. See ``MQTTError/grants``.
        public static let subscribeFailed = Code("subscribeFailed")
        /// The broker sent something that the standard forbids. The connection was ended.
        public static let protocolViolation = Code("protocolViolation")
        /// The session's store cannot be read or written.
        public static let persistence = Code("persistence")
        /// Nothing came within the time allowed.
        public static let timeout = Code("timeout")
        /// Not implemented.
        public static let unsupported = Code("unsupported")
        /// The answer cannot arrive while the caller's own queue of received messages is full.
        public static let deliveryStalled = Code("deliveryStalled")
        /// A payload's source could not be read.
        public static let payloadUnavailable = Code("payloadUnavailable")
        /// The client ended while the message was on its way. The session has it, and continues with it.
        public static let suspended = Code("suspended")
        /// The message was dropped to make room for a newer one, see `Configuration.whenQueueIsFull`.
        public static let evicted = Code("evicted")
        /// The message waited for longer than ``Limits/queuedAge``, and was dropped.
        public static let expired = Code("expired")
        /// The application took the message back before it was sent.
        public static let withdrawn = Code("withdrawn")

        // Why an attempt to connect failed, where it is known better than `down`.

        /// The TLS handshake failed, for another reason than those below: the other end may not speak TLS at all.
        public static let tlsFailed = Code("tlsFailed")
        /// The broker's certificate has expired.
        public static let certificateExpired = Code("certificateExpired")
        /// The broker's certificate is not valid yet: one of the two clocks is wrong.
        public static let certificateNotYetValid = Code("certificateNotYetValid")
        /// The broker vouches for itself, and is none of the trusted roots.
        public static let certificateSelfSigned = Code("certificateSelfSigned")
        /// Nobody among the trusted roots vouches for the broker's certificate.
        public static let certificateUntrusted = Code("certificateUntrusted")
        /// The broker's certificate is for another name.
        public static let certificateNameMismatch = Code("certificateNameMismatch")
        /// The broker's certificate is none of those pinned.
        public static let certificateNotPinned = Code("certificateNotPinned")
        /// The broker refused the client's certificate, or wants one and has got none.
        public static let clientCertificateRefused = Code("clientCertificateRefused")
        /// The server answered the WebSocket upgrade with another status than 101.
        public static let webSocketRefused = Code("webSocketRefused")
        /// The WebSocket upgrade failed for another reason: the other end may not speak HTTP at all.
        public static let webSocketFailed = Code("webSocketFailed")
        /// The proxy refused to pass the connection on.
        public static let proxyRefused = Code("proxyRefused")
        /// The proxy's answer makes no sense: it may not be a proxy of that kind.
        public static let proxyFailed = Code("proxyFailed")
        /// The application's credential provider failed, or took too long.
        public static let credentialsUnavailable = Code("credentialsUnavailable")
    }
}

extension MQTTError: CustomStringConvertible {
    public var description: String {
        var text = "\(code): \(message)"
        if let reasonCode { text += " (reason code \(reasonCode))" }
        if let citation { text += " [\(citation)]" }
        return text
    }
}
