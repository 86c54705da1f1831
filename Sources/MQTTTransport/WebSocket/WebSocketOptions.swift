package import MQTTCore

/// How a broker is reached through WebSocket (RFC 6455).
public struct WebSocketOptions: Sendable, Hashable {
    /// The path of the request, with its query where it has one.
    public var path: String
    /// Further fields of the request, such as `Authorization`. A `Host` replaces the usual one.
    public var headers: [HTTPField]

    public init(path: String = "/mqtt", headers: [HTTPField] = []) {
        self.path = path
        self.headers = headers
    }

    /// - Throws: ``MQTTError/Code/invalidArgument`` for what no request can have.
    package func check() throws(MQTTError) {
        guard path.hasPrefix("/"), path.utf8.allSatisfy({ 0x21...0x7E ~= $0 && $0 != UInt8(ascii: "#") }) else {
            throw .denied("the path of a WebSocket begins with a slash, and has visible ASCII characters only: escape others by %")
        }
        for header in headers {
            try header.check()
            let name = header.name.lowercased()
            guard !name.hasPrefix("sec-websocket-"), !["upgrade", "connection", "content-length", "transfer-encoding"].contains(name) else {
                throw .denied("the HTTP header \(header.name) is the client's own")
            }
        }
    }
}
