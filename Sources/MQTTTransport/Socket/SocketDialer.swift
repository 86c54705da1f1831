public import NIOCore
internal import NIOPosix

/// Connects over TCP. A name is resolved on each attempt, and its IPv6 and IPv4 addresses are raced (RFC 8305).
public struct TCPDialer: Dialer {
    public let host: String
    public let port: Int
    public let options: SocketOptions

    public init(host: String, port: Int, options: SocketOptions = SocketOptions()) {
        self.host = host
        self.port = port
        self.options = options
    }

    public func dial(
        on eventLoop: any EventLoop, timeout: TimeAmount,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        do throws(any Error) {
            try options.check()
            var bootstrap = ClientBootstrap(group: eventLoop).connectTimeout(timeout).channelInitializer(initializer)
            for (option, value) in options.channelOptions { bootstrap = bootstrap.channelOption(option, value: .init(value)) }
            if let address = options.bindAddress { bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: address, port: 0)) }
            return bootstrap.connect(host: host, port: port)
        } catch {
            return eventLoop.makeFailedFuture(error)
        }
    }
}

/// Connects to a Unix domain socket.
public struct UnixDialer: Dialer {
    public let path: String

    public init(path: String) { self.path = path }

    public func dial(
        on eventLoop: any EventLoop, timeout: TimeAmount,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        ClientBootstrap(group: eventLoop)
            .connectTimeout(timeout)
            .channelInitializer(initializer)
            .connect(unixDomainSocketPath: path)
    }
}
