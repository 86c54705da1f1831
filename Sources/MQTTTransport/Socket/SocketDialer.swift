package import MQTTCore
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

/// Connects to a Unix domain socket. On Linux a path that begins with `@` is a name in the abstract namespace.
public struct UnixDialer: Dialer {
    public let path: String

    public init(path: String) { self.path = path }

    public func dial(
        on eventLoop: any EventLoop, timeout: TimeAmount,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        let bootstrap = ClientBootstrap(group: eventLoop).connectTimeout(timeout).channelInitializer(initializer)
        guard let name = AbstractSocket.name(in: path) else { return bootstrap.connect(unixDomainSocketPath: path) }
        do throws(any Error) {
            return bootstrap.withConnectedSocket(try AbstractSocket.descriptor(connectedTo: name))
        } catch {
            return eventLoop.makeFailedFuture(error)
        }
    }

    /// - Throws: ``MQTTError/Code/invalidArgument``, and ``MQTTError/Code/unsupported`` for an abstract name elsewhere than on Linux.
    package func check() throws(MQTTError) {
        // sockaddr_un holds 108 bytes on Linux and 104 on Darwin, with a zero before an abstract name and after any other.
        guard 1...103 ~= path.utf8.count, path != "@", !path.utf8.contains(0) else {
            throw .denied("the path of a Unix socket has 1 to 103 bytes, without U+0000")
        }
        guard AbstractSocket.name(in: path) == nil || AbstractSocket.isSupported else {
            throw MQTTError(.unsupported, .denied, "abstract names of Unix sockets (@name) are there on Linux only")
        }
    }
}
