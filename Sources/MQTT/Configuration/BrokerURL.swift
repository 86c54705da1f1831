// Brokers by their URL: the one place that knows the schemes.
public import MQTTCore
internal import MQTTTransport

extension Broker {
    /// What a scheme says of the connection.
    private struct Scheme {
        var port: Int
        var isEncrypted = false
        var isWebSocket = false

        init?(_ name: String) {
            switch name {
            case "mqtt", "tcp": port = 1883
            case "mqtts", "ssl", "tls": (port, isEncrypted) = (8883, true)
            case "ws": (port, isWebSocket) = (80, true)
            case "wss": (port, isEncrypted, isWebSocket) = (443, true, true)
            default: return nil
            }
        }
    }

    /// From a URL: `mqtt://host`, `mqtts://user:password@host:8883`, `mqtt://[::1]:1883`, `ws://host/mqtt`, `wss://host/mqtt?key=value`
    /// or `mqtt+unix:///path` (`mqtt+unix:///@name` in the abstract namespace of Linux). Further settings, such as trusted roots, go
    /// into ``tls`` and ``webSocket``.
    ///
    /// - Throws: ``MQTTError/Code/invalidArgument`` when it is none. There is no fallback to another scheme.
    public init(_ url: String) throws(MQTTError) {
        let parts = try URLParts(url, of: "a broker")
        guard parts.scheme != "mqtt+unix", parts.scheme != "unix" else {
            try self.init(unix: parts)
            return
        }
        guard let scheme = Scheme(parts.scheme) else {
            throw .denied("unknown scheme \(parts.scheme): mqtt, mqtts, ws, wss or mqtt+unix, as in mqtt://host:port")
        }
        guard !parts.host.isEmpty else { throw .denied("a broker's URL needs a host") }
        self.init(.tcp(host: parts.host, port: parts.port ?? scheme.port))
        username = parts.username
        password = parts.password
        if scheme.isEncrypted { tls = TLSOptions() }
        if scheme.isWebSocket {
            webSocket = WebSocketOptions()
            if !parts.path.isEmpty { webSocket?.path = parts.path.hasPrefix("?") ? "/" + parts.path : parts.path }
        } else {
            guard parts.path.isEmpty || parts.path == "/" else { throw .denied("a broker's URL ends with its port") }
        }
    }

    private init(unix parts: URLParts) throws(MQTTError) {
        guard parts.host.isEmpty, parts.port == nil, parts.username == nil, parts.path.hasPrefix("/"), parts.path.utf8.count > 1 else {
            throw .denied("a Unix socket needs a path: mqtt+unix:///path")
        }
        let path = try URLParts.decoded(parts.path[...])
        // A file of that name in the root directory can be written as //@name.
        self.init(.unix(path: path.hasPrefix("/@") ? String(path.dropFirst()) : path))
    }
}
