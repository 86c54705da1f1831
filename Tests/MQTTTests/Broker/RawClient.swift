import MQTTTesting
import NIOCore
import NIOPosix
import Synchronization

/// A socket and hand-written bytes: the least that can talk to a broker. It reads nothing that it is not asked for.
final class RawClient: Sendable {
    enum Route {
        case memory, tcp
        case unix(String)
    }

    private let channel: any Channel
    private let inbox: Inbox

    private init(_ channel: any Channel, _ inbox: Inbox) {
        self.channel = channel
        self.inbox = inbox
    }

    /// Connects for the length of `body`.
    static func with<Result: Sendable>(
        _ broker: TestBroker, _ route: Route = .memory, _ body: (RawClient) async throws -> Result
    ) async throws -> Result {
        let inbox = Inbox()
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Reader(inbox)) }
            }
        let channel =
            switch route {
            case .memory: try await bootstrap.withConnectedSocket(try broker.connectedSocket()).get()
            case .tcp: try await bootstrap.connect(host: "127.0.0.1", port: broker.port).get()
            case .unix(let path): try await bootstrap.connect(unixDomainSocketPath: path).get()
            }
        do {
            let result = try await body(RawClient(channel, inbox))
            try? await channel.close()
            return result
        } catch {
            try? await channel.close()
            throw error
        }
    }

    func send(_ description: String) async throws { try await send(bytes(description)) }

    /// A broker that has closed meanwhile is no failure of the client's: what it did shows in what is received.
    func send(_ bytes: [UInt8]) async throws {
        do { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)) } catch ChannelError.ioOnClosedChannel {}
    }

    /// The next bytes; fewer when the stream ends.
    func receive(_ count: Int) async -> [UInt8] {
        while true {
            if let bytes = inbox.take(count) { return bytes }
            await withCheckedContinuation { continuation in
                if inbox.wait(for: count, continuation) { channel.read() }
            }
        }
    }

    /// Whether the stream ends with nothing more in it.
    func isEnded() async -> Bool { await receive(1).isEmpty }

    /// Connects with a client identifier of one letter and no keep-alive; the CONNACK.
    func connect(_ letter: String, clean: Bool = true) async throws -> [UInt8] {
        try await send("10 0D 00 04 'MQTT' 04 \(clean ? "02" : "00") 00 00 00 01 '\(letter)'")
        return await receive(4)
    }
}

/// What has been read, and who waits for more.
private final class Inbox: Sendable {
    private struct State {
        var pending: [UInt8] = []
        var isEnded = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func take(_ count: Int) -> [UInt8]? {
        state.withLock { state in
            guard state.pending.count >= count || state.isEnded else { return nil }
            let taken = Array(state.pending.prefix(count))
            state.pending.removeFirst(taken.count)
            return taken
        }
    }

    /// Whether there is something to wait for. Otherwise the continuation is resumed at once.
    func wait(for count: Int, _ continuation: CheckedContinuation<Void, Never>) -> Bool {
        let waits = state.withLock { state in
            let waits = state.pending.count < count && !state.isEnded
            if waits { state.waiter = continuation }
            return waits
        }
        if !waits { continuation.resume() }
        return waits
    }

    func put(_ buffer: ByteBuffer?) {
        let waiter = state.withLock { state in
            if let buffer { state.pending.append(contentsOf: buffer.readableBytesView) } else { state.isEnded = true }
            return state.waiter.take()
        }
        waiter?.resume()
    }
}

private final class Reader: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let inbox: Inbox

    init(_ inbox: Inbox) { self.inbox = inbox }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { inbox.put(unwrapInboundIn(data)) }

    func channelInactive(context: ChannelHandlerContext) { inbox.put(nil) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
