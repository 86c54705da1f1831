public import MQTTCore

/// A proxy that passes connections on, whatever is spoken over them. It resolves the broker's name, not this machine.
public struct Proxy: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        case http, socks5
    }

    let kind: Kind
    package let host: String
    package let port: Int
    /// Shown to proxies that ask for it.
    public var username: String?
    public var password: String?

    /// An HTTP proxy, which is asked to CONNECT (RFC 9110), with the Basic scheme when there is a user name.
    public static func http(host: String, port: Int = 3128) -> Proxy { Proxy(kind: .http, host: host, port: port) }

    /// A SOCKS proxy of version 5 (RFC 1928), with user name and password (RFC 1929) when they are there and it asks for them.
    public static func socks5(host: String, port: Int = 1080) -> Proxy { Proxy(kind: .socks5, host: host, port: port) }

    /// From a URL: `http://user:password@host:3128` or `socks5://host:1080`. `socks5h` is the same.
    ///
    /// - Throws: ``MQTTError/Code/invalidArgument`` when it is none.
    public init(_ url: String) throws(MQTTError) {
        let parts = try URLParts(url, of: "a proxy")
        guard parts.path.isEmpty || parts.path == "/" else { throw .denied("the URL of a proxy ends with its port") }
        switch parts.scheme {
        case "http": self = .http(host: parts.host, port: parts.port ?? 3128)
        case "socks5", "socks5h": self = .socks5(host: parts.host, port: parts.port ?? 1080)
        default: throw .denied("unknown kind of proxy \(parts.scheme): http://host:port or socks5://host:port")
        }
        username = parts.username
        password = parts.password
    }

    private init(kind: Kind, host: String, port: Int) {
        self.kind = kind
        self.host = host
        self.port = port
    }

    /// - Throws: ``MQTTError/Code/invalidArgument`` for what cannot be said to a proxy.
    func check() throws(MQTTError) {
        try HostName.check(host, of: "the proxy")
        guard 1...65_535 ~= port else { throw .denied("the proxy's port is out of 1 to 65535") }
        guard password == nil || username != nil else { throw .denied("a proxy's password needs a user name") }
        guard let username else { return }
        switch kind {
        case .http:
            guard !username.utf8.contains(UInt8(ascii: ":")) else { throw .denied("the user name of an HTTP proxy has no colon") }
        case .socks5:
            guard 1...255 ~= username.utf8.count, 1...255 ~= (password ?? "").utf8.count else {
                throw .denied("user name and password of a SOCKS proxy have 1 to 255 bytes each")
            }
        }
    }
}
