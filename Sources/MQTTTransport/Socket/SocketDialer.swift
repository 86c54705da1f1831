package import MQTTCore
public import NIOCore
internal import NIOPosix

/// Connects over TCP. A name is resolved on each attempt, and its IPv6 and IPv4 addresses are raced (RFC 8305).
public struct TCPDialer: Dialer {
    public let host: String
    public let port: Int
    public let options: SocketOptions
    private var rotation = 0
    private var lookups = NameLookups.shared

    public init(host: String, port: Int, options: SocketOptions = SocketOptions()) {
        self.host = host
        self.port = port
        self.options = options
    }

    /// The same, beginning with another address of the name: the first ones have accepted connections that came to nothing.
    package func rotated(by rotation: Int) -> TCPDialer {
        var dialer = self
        dialer.rotation = rotation
        return dialer
    }

    /// The same, with another way to look names up.
    func lookingUp(by lookups: NameLookups) -> TCPDialer {
        var dialer = self
        dialer.lookups = lookups
        return dialer
    }

    public func dial(
        on eventLoop: any EventLoop, timeout: TimeAmount,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        do throws(any Error) {
            try options.check()
            let local = try options.bindAddress.map { try SocketAddress(ipAddress: $0, port: 0) }
            let resolver = AddressResolver(lookups, on: eventLoop, rotation: rotation, from: local)
            var bootstrap = ClientBootstrap(group: eventLoop).connectTimeout(timeout).resolver(resolver).channelInitializer(initializer)
                .channelOption(.recvAllocator, value: SocketOptions.readBuffers)
            for (option, value) in options.channelOptions { bootstrap = bootstrap.channelOption(option, value: .init(value)) }
            if let local { bootstrap = bootstrap.bind(to: local) }
            let authority = HTTPRequest.authority(host, port)
            return bootstrap.connect(host: host, port: port).flatMapErrorThrowing { [host] error in
                guard case ChannelError.connectTimeout = error else { throw error }
                let text = resolver.hasFound ? "no answer from \(authority)" : "no answer to the question for the address of \(host)"
                throw MQTTError(.timeout, .notSent, "\(text) within connectTimeout")
            }
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
            .channelOption(.recvAllocator, value: SocketOptions.readBuffers)
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
