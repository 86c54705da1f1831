import MQTTTransport
import NIOCore
import NIOPosix
import Testing

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

    @Test("Nobody listens: the attempt fails")
    func refused() async throws {
        let server = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        try await server.close()
        await #expect(throws: (any Error).self) { try await check(TCPDialer(host: "127.0.0.1", port: port)) }
        await #expect(throws: (any Error).self) { try await check(UnixDialer(path: "/nonexistent/socket")) }
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
