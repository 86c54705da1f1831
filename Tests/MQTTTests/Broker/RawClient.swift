import MQTTTesting
import NIOCore
import NIOPosix

/// A socket and hand-written bytes: the least that can talk to a broker.
final class RawClient {
    private var iterator: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var pending: [UInt8] = []

    private init(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) {
        iterator = inbound.makeAsyncIterator()
        self.outbound = outbound
    }

    /// Connects in memory, or over TCP or a Unix socket, for the length of `body`.
    static func with<Result: Sendable>(
        _ broker: TestBroker, _ route: Route = .memory, _ body: (RawClient) async throws -> Result
    ) async throws -> Result {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        let wrap: @Sendable (any Channel) -> EventLoopFuture<NIOAsyncChannel<ByteBuffer, ByteBuffer>> = { channel in
            channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
        }
        let channel =
            switch route {
            case .memory: try await bootstrap.withConnectedSocket(try broker.connectedSocket(), channelInitializer: wrap)
            case .tcp: try await bootstrap.connect(host: "127.0.0.1", port: broker.port, channelInitializer: wrap)
            case .unix(let path): try await bootstrap.connect(unixDomainSocketPath: path, channelInitializer: wrap)
            }
        return try await channel.executeThenClose { inbound, outbound in try await body(RawClient(inbound, outbound)) }
    }

    enum Route { case memory, tcp, unix(String) }

    func send(_ description: String) async throws { try await send(bytes(description)) }

    func send(_ bytes: [UInt8]) async throws { try await outbound.write(ByteBuffer(bytes: bytes)) }

    /// The next bytes; fewer when the stream ends.
    func receive(_ count: Int) async throws -> [UInt8] {
        while pending.count < count, let buffer = try await iterator.next() { pending.append(contentsOf: buffer.readableBytesView) }
        defer { pending.removeFirst(min(count, pending.count)) }
        return Array(pending.prefix(count))
    }

    /// Whether the stream ends with nothing more in it.
    func isEnded() async -> Bool {
        do { return try await receive(1).isEmpty } catch { return true }
    }

    /// Connects with a client identifier of one letter and no keep-alive; the CONNACK.
    func connect(_ letter: String, clean: Bool = true) async throws -> [UInt8] {
        try await send("10 0D 00 04 'MQTT' 04 \(clean ? "02" : "00") 00 00 00 01 '\(letter)'")
        return try await receive(4)
    }
}
