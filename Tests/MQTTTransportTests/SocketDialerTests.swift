import MQTTCore
import NIOCore
import NIOPosix
import Testing

@testable import MQTTTransport

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The dialers against sockets of this machine.
@Suite struct SocketDialerTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    @Test("TCP: the channel is active, on the event loop that was asked for, and the initializer ran before")
    func connectsOverTCP() async throws {
        let server = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        try await check(TCPDialer(host: "127.0.0.1", port: port))
        try await server.close()
    }

    @Test("Unix: the same over a socket in the file system")
    func connectsOverUnix() async throws {
        let path = "/tmp/mqtt-dialer-\(UInt64.random(in: .min ... .max)).sock"
        let server = try await ServerBootstrap(group: group).bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        try await check(UnixDialer(path: path))
        try await server.close()
    }

    #if os(Linux)
        @Test("Unix: the same over a name in the abstract namespace, and a name that nobody listens to")
        func connectsToAnAbstractName() async throws {
            let name = "mqtt-dialer-\(UInt64.random(in: .min ... .max))"
            let server = try await ServerBootstrap(group: group).withBoundSocket(AbstractListener.descriptor(name)).get()
            try await check(UnixDialer(path: "@\(name)"))
            try await server.close()
            let error = await #expect(throws: IOError.self) { try await check(UnixDialer(path: "@\(name)")) }
            #expect(error.map(NetworkFailure.text) == "connection refused")
        }
    #endif

    @Test("Paths of Unix sockets that cannot be are refused")
    func paths() {
        for path in ["", "@", "a\0b", String(repeating: "a", count: 104)] {
            #expect(throws: MQTTError.self) { try UnixDialer(path: path).check() }
        }
        #expect(throws: Never.self) { try UnixDialer(path: "./@file").check() }
    }

    @Test("Why there is no connection is said in words of the network")
    func failures() async throws {
        func text(_ dialer: any Dialer) async -> String {
            do {
                try await check(dialer)
                return "connected"
            } catch {
                return NetworkFailure.text(error)
            }
        }
        let server = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        try await server.close()
        #expect(await text(TCPDialer(host: "127.0.0.1", port: port)) == "127.0.0.1:\(port): connection refused")
        for (code, words) in [(EAI_NONAME, "is not known"), (EAI_AGAIN, "could not be looked up now: no name server has answered")] {
            let lookups = NameLookups { host in throw NameLookup.Failure(host: host, code: code) }
            let dialer = TCPDialer(host: "broker.example", port: port).lookingUp(by: lookups)
            #expect(await text(dialer) == "the name broker.example \(words)")
        }
        var options = SocketOptions()
        options.bindAddress = "::1"
        let bound = TCPDialer(host: "127.0.0.1", port: port, options: options)
        #expect(await text(bound) == "127.0.0.1 has no address of the version of bindAddress")
        #expect(await text(UnixDialer(path: "/nonexistent/socket")) == "there is no such socket")
    }

    @Test("Nobody listens: the attempt fails")
    func refused() async throws {
        let server = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        try await server.close()
        await #expect(throws: (any Error).self) { try await check(TCPDialer(host: "127.0.0.1", port: port)) }
        await #expect(throws: (any Error).self) { try await check(UnixDialer(path: "/nonexistent/socket")) }
    }

    @Test("Options reach the socket")
    func options() async throws {
        let server = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        var options = SocketOptions()
        options.noDelay = false
        options.keepAlive = SocketOptions.KeepAlive()
        options.keepAlive?.idle = .seconds(77)
        #if os(Linux)
            options.userTimeout = .milliseconds(12_345)
            options.bindAddress = "127.0.0.2"
        #endif
        let channel = try await TCPDialer(host: "127.0.0.1", port: port, options: options)
            .dial(on: group.next(), timeout: .seconds(5)) { $0.eventLoop.makeSucceededVoidFuture() }.get()
        #expect(try await channel.getOption(.tcpOption(.tcp_nodelay)).get() == 0)
        #expect(try await channel.getOption(.socketOption(.so_keepalive)).get() == 1)
        #if os(Linux)
            #expect(try await channel.getOption(.tcpOption(.init(rawValue: 4))).get() == 77)  // TCP_KEEPIDLE
            #expect(try await channel.getOption(.tcpOption(.init(rawValue: 18))).get() == 12_345)  // TCP_USER_TIMEOUT
            #expect(channel.localAddress?.ipAddress == "127.0.0.2")
        #endif
        try await channel.close()
        try await server.close()
    }

    @Test("Options that cannot be are refused")
    func invalidOptions() {
        func error(_ change: (inout SocketOptions) -> Void) -> MQTTError? {
            var options = SocketOptions()
            change(&options)
            do {
                try options.check()
                return nil
            } catch {
                return error
            }
        }
        #expect(error { $0.bindAddress = "::1" } == nil)
        #expect(error { $0.bindAddress = "localhost" }?.code == .invalidArgument)
        #expect(error { $0.userTimeout = .zero } != nil)
        let changes: [(inout SocketOptions.KeepAlive) -> Void] = [
            { $0.idle = .zero }, { $0.idle = .milliseconds(1_500) }, { $0.interval = .seconds(32_768) },
            { $0.count = 0 }, { $0.count = 128 },
        ]
        for change in changes {
            var keepAlive = SocketOptions.KeepAlive()
            change(&keepAlive)
            #expect(error { $0.keepAlive = keepAlive }?.code == .invalidArgument)
        }
    }

    private func check(_ dialer: any Dialer) async throws {
        let loop = group.next()
        let channel = try await dialer.dial(on: loop, timeout: .seconds(5)) { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Mark()) }
        }.get()
        #expect(channel.isActive)
        #expect(channel.eventLoop === loop)
        _ = try await channel.pipeline.containsHandler(type: Mark.self).get()
        try await channel.close()
    }
}

/// Shows that the initializer ran.
private final class Mark: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
}
