internal import MQTTCore
internal import MQTTTransport

/// The way to one broker, checked: everything between the network and the client.
struct Route: Sendable {
    let broker: Broker
    let dialer: any Dialer
    /// What is said first, but for what each attempt has of its own.
    var connect = Connect(clientID: "", cleanSession: true, keepAliveSeconds: 0)
    private let socket: any Dialer
    /// Up to WebSocket, the last one.
    private let layers: [any ConnectionLayer]

    /// - Parameter base: Brings connections in place of TCP and Unix sockets.
    /// - Throws: For whatever cannot be honoured.
    init(_ broker: Broker, base: (any Dialer)?) throws(MQTTError) {
        self.broker = broker
        if let host = broker.host { try HostName.check(host, of: "the broker") }
        var layers: [any ConnectionLayer] = []
        if let proxy = broker.proxy { layers.append(try Self.proxyLayer(proxy, broker)) }
        if let tls = broker.tls { layers.append(try Layers.tls(tls, host: broker.host)) }
        self.layers = layers
        socket = if let base { base } else { try Self.socketDialer(broker) }
        dialer = try Self.dialer(socket, layers, broker, broker.webSocket)
    }

    /// For an attempt after some that came to nothing, or with credentials of its own.
    func dialer(afterFailures failures: Int, with credentials: Credentials? = nil) throws(MQTTError) -> any Dialer {
        let webSocket = broker.webSocket.map { credentials?.applied(to: $0) ?? $0 }
        if failures == 0, webSocket == broker.webSocket { return dialer }
        let socket = (socket as? TCPDialer)?.rotated(by: failures) ?? socket
        return try Self.dialer(socket, layers, broker, webSocket)
    }

    private static func dialer(
        _ socket: any Dialer, _ layers: [any ConnectionLayer], _ broker: Broker, _ webSocket: WebSocketOptions?
    ) throws(MQTTError) -> any Dialer {
        var layers = layers
        if let webSocket {
            let isEncrypted = broker.tls != nil
            layers.append(
                try Layers.webSocket(webSocket, host: broker.host ?? "localhost", port: broker.port, isEncrypted: isEncrypted))
        }
        return layers.isEmpty ? socket : LayeredDialer(socket, layers)
    }

    private static func proxyLayer(_ proxy: Proxy, _ broker: Broker) throws(MQTTError) -> any ConnectionLayer {
        guard let host = broker.host, let port = broker.port else { throw .denied("there is no way to a Unix socket through a proxy") }
        return try Layers.proxy(proxy, host: host, port: port)
    }

    private static func socketDialer(_ broker: Broker) throws(MQTTError) -> any Dialer {
        switch broker.address {
        case .tcp(let host, let port):
            guard 1...65_535 ~= port else { throw .denied("the broker's port is out of 1 to 65535") }
            try broker.socket.check()
            if let proxy = broker.proxy { return TCPDialer(host: proxy.host, port: proxy.port, options: broker.socket) }
            return TCPDialer(host: host, port: port, options: broker.socket)
        case .unix(let path):
            guard broker.socket == SocketOptions() else { throw .denied("the socket options are for TCP, not for Unix sockets") }
            let dialer = UnixDialer(path: path)
            try dialer.check()
            return dialer
        }
    }
}

extension Broker {
    /// The host by its name or address. Nil for a Unix socket.
    var host: String? { if case .tcp(let host, _) = address { host } else { nil } }
    var port: Int? { if case .tcp(_, let port) = address { port } else { nil } }
}
