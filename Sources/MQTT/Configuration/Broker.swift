public import MQTTTransport

/// Where a broker is, and how it is reached.
public struct Broker: Sendable, Hashable {
    enum Address: Sendable, Hashable {
        case tcp(host: String, port: Int)
        case unix(path: String)
    }

    let address: Address
    /// In place of ``Configuration/username`` where that is nil.
    public var username: String?
    /// In place of ``Configuration/password`` where that is nil.
    public var password: String?
    /// Encrypts the connection. Nil is plain text.
    public var tls: TLSOptions?
    /// Speaks WebSocket, inside of TLS when there is TLS.
    public var webSocket: WebSocketOptions?
    /// Passes the connection on to the broker. TLS goes through it: the proxy reads nothing of that.
    public var proxy: Proxy?
    /// Of TCP: for a Unix socket they are refused.
    public var socket = SocketOptions()

    /// Over TCP. The host may be a name, an IPv4 or an IPv6 address.
    public static func tcp(host: String, port: Int = 1883) -> Broker { Broker(.tcp(host: host, port: port)) }

    /// Over TLS. The host may be a name, an IPv4 or an IPv6 address; the broker's certificate has to be for it.
    public static func tls(host: String, port: Int = 8883, _ options: TLSOptions = TLSOptions()) -> Broker {
        var broker = Broker(.tcp(host: host, port: port))
        broker.tls = options
        return broker
    }

    /// Over WebSocket, in plain text. With ``tls`` it is encrypted, on port 443 as a rule.
    public static func webSocket(host: String, port: Int = 80, _ options: WebSocketOptions = WebSocketOptions()) -> Broker {
        var broker = Broker(.tcp(host: host, port: port))
        broker.webSocket = options
        return broker
    }

    /// Over a Unix domain socket. On Linux a path that begins with `@` is a name in the abstract namespace; `./@name` is a file.
    public static func unix(path: String) -> Broker { Broker(.unix(path: path)) }

    init(_ address: Address) { self.address = address }
}

/// Without credentials and query, either of which may be secret.
extension Broker: CustomStringConvertible {
    public var description: String {
        switch address {
        case .tcp(let host, let port):
            let scheme = webSocket == nil ? "mqtt" : "ws"
            let name = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
            let path = webSocket?.path.prefix { $0 != "?" } ?? ""
            return "\(scheme)\(tls == nil ? "" : "s")://\(name):\(port)\(path)"
        case .unix(let path): return "mqtt+unix://\(path.hasPrefix("@") ? "/" : "")\(path)"
        }
    }
}
