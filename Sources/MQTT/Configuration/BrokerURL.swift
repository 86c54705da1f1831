public import MQTTCore
internal import MQTTTransport

extension Broker {
    /// What a scheme says of the connection.
    private struct Scheme {
        var port: Int
        var isEncrypted = false

        init?(_ name: String) {
            switch name {
            case "mqtt", "tcp": port = 1883
            case "mqtts", "ssl", "tls": (port, isEncrypted) = (8883, true)
            default: return nil
            }
        }
    }

    private static let forms = "mqtt://host:port, mqtts://host:port or mqtt+unix:///path"

    /// From a URL: `mqtt://host`, `mqtts://user:password@host:8883`, `mqtt://[::1]:1883` or `mqtt+unix:///path`.
    ///
    /// - Throws: ``MQTTError/Code/invalidArgument`` when it is none, ``MQTTError/Code/unsupported`` for `ws` and `wss`, which are not
    ///   there yet. There is no fallback to another scheme.
    public init(_ url: String) throws(MQTTError) {
        guard let separator = url.firstRange(of: "://") else { throw .denied("not a URL: \(Self.forms)") }
        let name = url[..<separator.lowerBound].lowercased()
        let rest = url[separator.upperBound...]
        switch name {
        case "mqtt+unix", "unix":
            guard rest.hasPrefix("/"), rest.utf8.count > 1 else { throw .denied("a Unix socket needs a path: mqtt+unix:///path") }
            self.init(.unix(path: try Self.decoded(rest)))
        case "ws", "wss": throw MQTTError(.unsupported, .denied, "the scheme \(name) is not supported yet")
        default:
            guard let scheme = Scheme(name) else { throw .denied("unknown scheme \(name): \(Self.forms)") }
            try self.init(scheme, rest)
        }
    }

    private init(_ scheme: Scheme, _ text: Substring) throws(MQTTError) {
        var rest = text
        if rest.hasSuffix("/") { rest.removeLast() }
        guard !rest.contains(where: { $0 == "/" || $0 == "?" || $0 == "#" }) else { throw .denied("a broker's URL ends with its port") }
        var user: Substring?
        if let at = rest.lastIndex(of: "@") {
            user = rest[..<at]
            rest = rest[rest.index(after: at)...]
        }
        let (host, port) = try Self.hostAndPort(rest, default: scheme.port)
        self.init(.tcp(host: host, port: port))
        if scheme.isEncrypted { tls = TLSOptions() }
        if let user {
            let parts = user.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            username = try Self.decoded(parts[0])
            if parts.count > 1 { password = try Self.decoded(parts[1]) }
        }
    }

    private static func hostAndPort(_ text: Substring, default defaultPort: Int) throws(MQTTError) -> (String, Int) {
        var host = text
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw .denied("an IPv6 address without its closing bracket") }
            host = text[text.index(after: text.startIndex)..<end]
            let tail = text[text.index(after: end)...]
            guard tail.isEmpty || tail.hasPrefix(":") else { throw .denied("no port behind the IPv6 address") }
            if !tail.isEmpty { port = tail.dropFirst() }
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        guard !host.isEmpty else { throw .denied("a broker's URL needs a host") }
        guard let port else { return (try decoded(host), defaultPort) }
        guard let number = Int(port), 1...65_535 ~= number else { throw .denied("the port is not a number of 1 to 65535") }
        return (try decoded(host), number)
    }

    /// Resolves percent escapes.
    private static func decoded(_ text: Substring) throws(MQTTError) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexadecimal), let low = rest.popFirst().flatMap(hexadecimal) else {
                throw .denied("a percent sign without two hexadecimal digits in the URL")
            }
            bytes.append(high << 4 | low)
        }
        guard let string = String(validating: bytes, as: UTF8.self) else { throw .denied("the URL is not UTF-8") }
        return string
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
