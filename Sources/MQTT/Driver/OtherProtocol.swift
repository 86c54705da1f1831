internal import NIOCore

/// What answers in place of an MQTT broker, by its first bytes.
enum OtherProtocol {
    case tls, http

    init?(_ bytes: ByteBuffer) {
        let first = Array(bytes.readableBytesView.prefix(5))
        // An alert record of TLS, or HTTP's first word. Neither begins a CONNACK.
        if first.starts(with: [0x15, 0x03]) {
            self = .tls
        } else if first.starts(with: "HTTP/".utf8) {
            self = .http
        } else {
            return nil
        }
    }

    /// For people.
    var advice: String {
        switch self {
        case .tls: "the broker expects TLS on this port: use mqtts:// or wss://"
        case .http: "an HTTP server answers on this port: a broker behind WebSocket needs ws:// or wss://"
        }
    }
}
