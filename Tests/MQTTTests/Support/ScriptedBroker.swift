import MQTT
import NIOCore
import NIOPosix

/// A broker that says what a test tells it to, byte by byte.
final class ScriptedBroker: Sendable {
    let port: Int
    let peers: AsyncStream<Peer>
    private let listener: any Channel

    static func start() async throws -> ScriptedBroker {
        let (peers, continuation) = AsyncStream.makeStream(of: Peer.self)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let (bytes, input) = AsyncStream.makeStream(of: ByteBuffer.self)
                    try channel.pipeline.syncOperations.addHandler(Input(input))
                    continuation.yield(Peer(channel: channel, bytes: bytes))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return ScriptedBroker(listener, peers)
    }

    private init(_ listener: any Channel, _ peers: AsyncStream<Peer>) {
        self.listener = listener
        self.peers = peers
        port = listener.localAddress?.port ?? 0
    }

    var dialer: TCPDialer { TCPDialer(host: "127.0.0.1", port: port) }

    func stop() async throws { try await listener.close() }

    /// The next connection.
    func peer() async throws -> Peer {
        var iterator = peers.makeAsyncIterator()
        guard let peer = await iterator.next() else { throw ChannelError.eof }
        return peer
    }

    /// The next connection, past CONNECT and CONNACK.
    func accept(sessionPresent: Bool = false, _ more: [UInt8] = []) async throws -> Peer {
        let peer = try await peer()
        _ = try await peer.packet()
        try await peer.send([0x20, 2, sessionPresent ? 1 : 0, 0] + more)
        return peer
    }

    private final class Input: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let input: AsyncStream<ByteBuffer>.Continuation

        init(_ input: AsyncStream<ByteBuffer>.Continuation) { self.input = input }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { input.yield(unwrapInboundIn(data)) }

        func channelInactive(context: ChannelHandlerContext) { input.finish() }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

/// One connection of the scripted broker.
final class Peer: Sendable {
    let channel: any Channel
    private let bytes: AsyncStream<ByteBuffer>
    private let rest: LockedBox<ByteBuffer>

    init(channel: any Channel, bytes: AsyncStream<ByteBuffer>) {
        self.channel = channel
        self.bytes = bytes
        rest = LockedBox(ByteBuffer())
    }

    func send(_ bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)) }

    func close() async throws { try await channel.close() }

    /// More bytes of the client, or nil at the end.
    func more() async -> ByteBuffer? {
        var iterator = bytes.makeAsyncIterator()
        return await iterator.next()
    }

    /// The next packet of the client, as it was sent. Throws at the end of the connection.
    func packet() async throws -> [UInt8] {
        while true {
            if let packet = rest.withValue({ Self.takePacket(&$0) }) { return packet }
            guard var bytes = await more() else { throw ChannelError.eof }
            rest.withValue { _ = $0.writeBuffer(&bytes) }
        }
    }

    /// The next packet of this type, over others.
    func packet(_ type: UInt8) async throws -> [UInt8] {
        while true {
            let packet = try await packet()
            if packet[0] & 0xF0 == type { return packet }
        }
    }

    private static func takePacket(_ buffer: inout ByteBuffer) -> [UInt8]? {
        let bytes = buffer.readableBytesView
        var length = 0
        for place in 0..<4 {
            guard bytes.count > place + 1 else { return nil }
            let byte = bytes[bytes.startIndex + 1 + place]
            length |= Int(byte & 0x7F) << (7 * place)
            if byte < 0x80 { return bytes.count >= place + 2 + length ? buffer.readBytes(length: place + 2 + length) : nil }
        }
        return nil
    }
}

/// The bytes of a PUBLISH to the client.
func publishPacket(_ topic: String, _ payload: [UInt8], qos: UInt8 = 0, id: UInt16 = 1, flags: UInt8 = 0) -> [UInt8] {
    publishHead(topic, payloadLength: payload.count, qos: qos, id: id, flags: flags) + payload
}

func publishHead(_ topic: String, payloadLength: Int, qos: UInt8 = 0, id: UInt16 = 1, flags: UInt8 = 0) -> [UInt8] {
    let name = Array(topic.utf8)
    var remaining = name.count + 2 + payloadLength + (qos > 0 ? 2 : 0)
    var bytes: [UInt8] = [0x30 | qos << 1 | flags]
    repeat {
        bytes.append(UInt8(remaining & 0x7F) | (remaining > 0x7F ? 0x80 : 0))
        remaining >>= 7
    } while remaining > 0
    bytes += [UInt8(name.count >> 8), UInt8(name.count & 0xFF)] + name
    if qos > 0 { bytes += [UInt8(id >> 8), UInt8(id & 0xFF)] }
    return bytes
}
