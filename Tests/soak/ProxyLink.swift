import Foundation
import NIOCore

/// One connection through the proxy, with both its ends. On one event loop.
final class ProxyLink {
    enum Side { case client, broker }

    let state: FaultProxy.ProxyState
    private var ends: [Side: ChannelHandlerContext] = [:]
    private var held: [(to: Side, bytes: ByteBuffer)] = []
    private var isConnectedToBroker = false
    private var isStalled = false
    private var isSwallowing = false
    private var dribblesUntil: NIODeadline?
    private var bytesUntilCut: Int?
    private var stall: Scheduled<Void>?

    init(state: FaultProxy.ProxyState) { self.state = state }

    // MARK: Faults

    func begin(_ fault: Fault, for duration: TimeAmount, bytes: Int) {
        switch fault {
        case .cut: reset()
        case .cutWithin: bytesUntilCut = bytes
        case .stall:
            guard let loop = ends.values.first?.eventLoop, stall == nil else { return }
            isStalled = true
            stall = loop.assumeIsolated().scheduleTask(in: duration) { self.resume() }
        case .halfOpen: isSwallowing = true
        case .dribble: dribblesUntil = .now() + duration
        case .refuse, .blackHole: break
        }
    }

    func heal() {
        bytesUntilCut = nil
        dribblesUntil = nil
        // What was swallowed is missing: that connection can only end.
        if isSwallowing { reset() } else if isStalled { resume() }
    }

    private func resume() {
        stall?.cancel()
        stall = nil
        isStalled = false
        drain()
    }

    private func reset() {
        for context in ends.values {
            // No time to linger: a reset.
            let socket = context.channel as? any SocketOptionProvider
            socket?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        }
    }

    // MARK: Ends

    func opened(_ side: Side, _ context: ChannelHandlerContext) {
        ends[side] = context
        state.links[ObjectIdentifier(self)] = self
        if side == .broker { connected() }
    }

    func closed(_ side: Side) {
        ends[side] = nil
        held.removeAll()
        stall?.cancel()
        for context in ends.values { context.close(promise: nil) }
        if ends.isEmpty { state.links[ObjectIdentifier(self)] = nil }
    }

    private func connected() {
        // The client may have gone meanwhile.
        guard let client = ends[.client] else { return closed(.client) }
        isConnectedToBroker = true
        client.read()
        ends[.broker]?.read()
    }

    // MARK: Bytes

    func received(_ bytes: ByteBuffer, from side: Side) {
        if isSwallowing { return readOn(from: side) }
        held.append((side == .client ? .broker : .client, bytes))
        if !isStalled { drain() }
    }

    /// Passes on what there is; the next read follows the write, so that nothing piles up here.
    private func drain() {
        while !isStalled, !held.isEmpty {
            var (side, bytes) = held.removeFirst()
            guard let context = ends[side] else { continue }
            if let left = bytesUntilCut, left < bytes.readableBytes {
                let part = bytes.readSlice(length: left) ?? ByteBuffer()
                context.writeAndFlush(NIOAny(part)).assumeIsolated().whenComplete { _ in self.reset() }
                return held.removeAll()
            }
            bytesUntilCut = bytesUntilCut.map { $0 - bytes.readableBytes }
            if let until = dribblesUntil, until > .now(), bytes.readableBytes > 1 { return dribble(bytes, to: side, context) }
            context.writeAndFlush(NIOAny(bytes)).assumeIsolated().whenComplete { _ in
                self.readOn(from: side == .client ? .broker : .client)
            }
        }
    }

    /// A byte, and the rest a moment later.
    private func dribble(_ bytes: ByteBuffer, to side: Side, _ context: ChannelHandlerContext) {
        var rest = bytes
        let first = rest.readSlice(length: 1) ?? ByteBuffer()
        held.insert((side, rest), at: 0)
        isStalled = true
        context.writeAndFlush(NIOAny(first), promise: nil)
        stall = context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(1)) { self.resume() }
    }

    private func readOn(from side: Side) {
        if isConnectedToBroker || isSwallowing { ends[side]?.read() }
    }
}

/// One end of a connection through the proxy.
final class ProxyEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let link: ProxyLink
    private let side: ProxyLink.Side

    init(_ link: ProxyLink, _ side: ProxyLink.Side) {
        self.link = link
        self.side = side
    }

    func channelActive(context: ChannelHandlerContext) { link.opened(side, context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { link.received(unwrapInboundIn(data), from: side) }

    func channelInactive(context: ChannelHandlerContext) { link.closed(side) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
