import MQTT
import NIOCore
import NIOEmbedded

/// Connects a client to a channel in the test's hands, on a loop whose time the test makes.
final class VirtualLink: Dialer {
    let loop = NIOAsyncTestingEventLoop()
    private let channels: AsyncStream<NIOAsyncTestingChannel>
    private let dialed: AsyncStream<NIOAsyncTestingChannel>.Continuation

    init() { (channels, dialed) = AsyncStream.makeStream() }

    func dial(
        on eventLoop: any EventLoop, timeout: TimeAmount, initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        let channel = NIOAsyncTestingChannel(loop: loop)
        dialed.yield(channel)
        return initializer(channel).flatMapThrowing { try SocketAddress(unixDomainSocketPath: "/virtual") }
            .flatMap { address in channel.connect(to: address).map { channel } }
    }

    /// Lets the loop do what is to be done now.
    func settle() async throws {
        for _ in 0..<50 {
            await loop.run()
            await Task.yield()
        }
    }

    /// The next connection, past CONNECT and CONNACK.
    func accept() async throws -> NIOAsyncTestingChannel {
        var iterator = channels.makeAsyncIterator()
        while true {
            try await settle()
            guard let channel = await iterator.next() else { throw ChannelError.eof }
            try await settle()
            while try await channel.readOutbound(as: ByteBuffer.self) == nil { try await settle() }
            try await channel.writeInbound(ByteBuffer(bytes: [0x20, 2, 0, 0]))
            try await settle()
            return channel
        }
    }
}
