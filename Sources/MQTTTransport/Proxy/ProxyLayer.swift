internal import MQTTCore
internal import NIOCore

/// A proxy between this machine and the broker.
struct ProxyLayer: ConnectionLayer {
    let proxy: Proxy
    let host: String
    let port: Int

    func add(to pipeline: ChannelPipeline.SynchronousOperations) throws {
        switch proxy.kind {
        case .http: try pipeline.addHandler(ProxyHandler(HTTPTunnel(proxy, host: host, port: port)))
        case .socks5: try pipeline.addHandler(ProxyHandler(SOCKSNegotiation(proxy, host: host, port: port)))
        }
    }
}

/// Talks to the proxy first. From then on it lets everything through.
final class ProxyHandler<Negotiation: ProxyNegotiation>: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var negotiation: Negotiation
    private var isDone = false
    private var unread = ByteBuffer()

    init(_ negotiation: Negotiation) { self.negotiation = negotiation }

    func channelActive(context: ChannelHandlerContext) {
        context.fireUserInboundEventTriggered(HandshakeStage(name: "the proxy's handshake"))
        context.writeAndFlush(wrapOutboundOut(negotiation.opening), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone else { return context.fireChannelRead(data) }
        var input = unwrapInboundIn(data)
        unread.writeBuffer(&input)
        do throws(MQTTError) {
            while true {
                switch try negotiation.read(&unread) {
                case .wait: return
                case .send(let bytes): context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
                case .done: return finish(context)
                }
            }
        } catch {
            context.fireErrorCaught(error)
        }
    }

    private func finish(_ context: ChannelHandlerContext) {
        isDone = true
        context.fireChannelActive()
        let rest = unread
        unread = ByteBuffer()
        if rest.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(rest)) }
    }
}
