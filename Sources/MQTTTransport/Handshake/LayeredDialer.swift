internal import MQTTCore
package import NIOCore

/// A handshake between the network and the client, such as TLS: handlers that hold `channelActive` back until it is done.
package protocol ConnectionLayer: Sendable {
    func add(to pipeline: ChannelPipeline.SynchronousOperations) throws
}

/// Makes connections by another dialer, and leads each through handshakes before the client sees it: a proxy's, TLS, WebSocket.
///
/// The channel is handed over when the last of them is done. A failure is told by its cause, and closes the connection; so does the
/// end of the time, which is for all of them together.
package struct LayeredDialer: Dialer {
    private let base: any Dialer
    private let layers: [any ConnectionLayer]

    /// - Parameter layers: The one next to the network comes first.
    package init(_ base: any Dialer, _ layers: [any ConnectionLayer]) {
        self.base = base
        self.layers = layers
    }

    package func dial(
        on eventLoop: any EventLoop, timeout: TimeAmount,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        let deadline = eventLoop.now + timeout
        let layers = layers
        // Several addresses of a name may be tried at once: each channel has handshakes of its own.
        let ends = NIOLoopBoundBox.makeBoxSendingValue([ObjectIdentifier: EventLoopFuture<Void>](), eventLoop: eventLoop)
        return base.dial(on: eventLoop, timeout: timeout) { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                let done = channel.eventLoop.makePromise(of: Void.self)
                ends.value[ObjectIdentifier(channel)] = done.futureResult
                do {
                    for layer in layers { try layer.add(to: pipeline) }
                    try pipeline.addHandler(HandshakeEnd(done, deadline: deadline))
                } catch {
                    done.fail(error)
                    throw error
                }
            }.flatMap { initializer(channel) }
        }.hop(to: eventLoop).flatMap { channel in
            ends.value[ObjectIdentifier(channel)]?.map { channel } ?? eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
        }
    }
}

/// Told along the pipeline when a handshake begins, so that a time-out can say what it waited for.
struct HandshakeStage: Sendable {
    /// As in "no answer from ... within the time allowed".
    let name: String
    /// What it may mean that the connection is closed in the middle of it.
    var advice: String?
}

/// Stands behind the handshakes: tells when the last is done, or why one failed.
final class HandshakeEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let done: EventLoopPromise<Void>
    private let deadline: NIODeadline
    private var timeout: Scheduled<Void>?
    /// Nil while there is no connection, which is for the dialer to see to.
    private var stage: HandshakeStage?
    private var isLate = false
    private var isOver = false

    init(_ done: EventLoopPromise<Void>, deadline: NIODeadline) {
        self.done = done
        self.deadline = deadline
    }

    func handlerAdded(context: ChannelHandlerContext) {
        timeout = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { self.expired(context) }
    }

    /// Also the end of a connection that never was.
    func handlerRemoved(context: ChannelHandlerContext) { fail(closed) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? HandshakeStage else { return context.fireUserInboundEventTriggered(event) }
        stage = event
        if isLate { expired(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        timeout?.cancel()
        isOver = true
        done.succeed(())
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(closed)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isOver else { return context.fireErrorCaught(error) }
        if error is MQTTError {
            fail(error)
        } else {
            fail(broken("\(stage?.name ?? "connecting") failed: \(NetworkFailure.text(error))"))
        }
        context.close(promise: nil)
    }

    private var closed: MQTTError { broken("the connection was closed in the middle of \(stage?.name ?? "connecting")") }

    private func broken(_ text: String) -> MQTTError {
        MQTTError(.down, .notSent, stage?.advice.map { "\(text): \($0)" } ?? text)
    }

    private func expired(_ context: ChannelHandlerContext) {
        guard !isOver else { return }
        isLate = true
        guard let stage else { return }
        fail(MQTTError(.timeout, .notSent, "\(stage.name) was not done within connectTimeout"))
        context.close(promise: nil)
    }

    private func fail(_ error: any Error) {
        guard !isOver else { return }
        isOver = true
        timeout?.cancel()
        done.fail(error)
    }
}
