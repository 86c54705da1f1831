public import NIOCore
internal import NIOPosix

/// Connects over TCP. A name is resolved on each attempt, and its IPv6 and IPv4 addresses are raced (RFC 8305).
public struct TCPDialer: Dialer {
    public let host: String
    public let port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    public func dial(
        on eventLoop: any EventLoop, timeout: TimeAmount,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        ClientBootstrap(group: eventLoop)
            // Packets are coalesced before they are written, so there is nothing that Nagle's algorithm could improve.
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connectTimeout(timeout)
            .channelInitializer(initializer)
            .connect(host: host, port: port)
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
