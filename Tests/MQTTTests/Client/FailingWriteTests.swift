import MQTT
import MQTTTesting
import NIOCore
import Testing

/// A connection that is found gone by writing to it, not by reading from it.
@Suite(.timeLimit(.minutes(1))) struct FailingWriteTests {
    @Test(arguments: [0, 60])
    func theClientConnectsAgain(keepAliveSeconds: Int) async throws {
        try await withBroker { broker in
            let client = try MQTTClient(
                settings(dialer: ResettingDialer(base: broker.dialer)) { $0.keepAlive = .seconds(keepAliveSeconds) })
            try await client.run { client in
                for number in 0..<20 { _ = try await client.publish(Payload("\(number)"), to: "t", .exactlyOnce).completed }
            }
            try await broker.wait { $0.received.map(\.payload) == (0..<20).map { Array("\($0)".utf8) } }
        }
    }
}

/// Each connection is gone at its fourth write, which notices it.
private struct ResettingDialer: Dialer {
    let base: any Dialer

    func dial(
        on eventLoop: any EventLoop, timeout: TimeAmount, initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        base.dial(on: eventLoop, timeout: timeout) { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(ResetAtWrite()) }
                .flatMap { initializer(channel) }
        }
    }
}

private final class ResetAtWrite: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var writes = 0

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        writes += 1
        if writes < 4 { return context.write(data, promise: promise) }
        promise?.fail(ChannelError.ioOnClosedChannel)
        context.close(promise: nil)
    }
}
