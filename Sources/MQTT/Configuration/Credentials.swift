public import MQTTTransport

/// What one attempt to connect shows. What is nil is taken from the configuration and the broker.
public struct Credentials: Sendable, Hashable {
    public var username: String?
    /// Up to 65,535 bytes. Needs a user name [MQTT-3.1.2-22].
    public var password: [UInt8]?
    /// In place of ``WebSocketOptions/path``, as for signed URLs. Brokers without WebSocket have no use for it, nor for headers.
    public var webSocketPath: String?
    /// Beside those of ``WebSocketOptions/headers``, and in place of those of the same name.
    public var webSocketHeaders: [HTTPField] = []

    public init(username: String? = nil, password: [UInt8]? = nil, webSocketPath: String? = nil) {
        self.username = username
        self.password = password
        self.webSocketPath = webSocketPath
    }

    /// With a password in text, such as a token.
    public init(username: String? = nil, password: String) {
        self.init(username: username, password: Array(password.utf8))
    }

    /// These of a WebSocket for one attempt.
    func applied(to options: WebSocketOptions) -> WebSocketOptions {
        var options = options
        if let webSocketPath { options.path = webSocketPath }
        let names = Set(webSocketHeaders.map { $0.name.lowercased() })
        options.headers = options.headers.filter { !names.contains($0.name.lowercased()) } + webSocketHeaders
        return options
    }
}
