internal import NIOCore

/// One connection of the broker: bytes in, bytes out, and the faults between.
final class BrokerLink: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Bytes given to the channel at a time, so that a large payload passes in pieces.
    private static let writeLimit = 256 << 10
    /// Bytes that may wait for the client before the broker stops reading from it.
    private static let waitingLimit = 8 << 20
    /// Bytes from the client that the model takes at a time: no more messages than a queue of a thousand has room for behind its half,
    /// which pauses the publisher in the middle of a read.
    private static let portion = 2 << 10

    let number: Int
    private let core: BrokerCore
    private var faults: LinkFaults
    private var context: ChannelHandlerContext?

    // Bytes to the client: whole arrays, the first of them partly written.
    private var waiting = BrokerBacklog<[UInt8]>()
    private var offset = 0
    private var waitingBytes = 0
    private var bytesInChannel = 0
    private var closesWhenWritten = false

    // Reading
    private var pauses: Set<Pause> = []
    private var missesRead = false
    /// Read before the client was paused, and not taken yet.
    private var held: [UInt8] = []

    /// Why nothing is read.
    enum Pause { case congestion, slowReader, fault }

    init(core: BrokerCore) {
        self.core = core
        (number, faults) = core.admit()
    }

    var packetFaults: ConnectionFaults { faults.packets }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        core.opened(self)
    }

    func channelInactive(context: ChannelHandlerContext) {
        closed()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { closed() }

    private func closed() {
        guard context != nil else { return }
        context = nil
        waiting.removeAll()
        // What came ahead of the end counts.
        if !held.isEmpty { core.received(held, from: self) }
        held = []
        core.closed(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A broken connection. What it means is the same as a closed one.
        context.close(promise: nil)
    }
}

// MARK: - From the client

extension BrokerLink {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).readableBytesView)
        guard let delay = faults.delayFromClient else { return take(bytes) }
        context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(delay)) {
            self.take(bytes)
            self.core.settle()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) { core.settle() }

    private func take(_ bytes: [UInt8]) {
        guard context != nil, !pauses.contains(.fault) else { return }
        var bytes = bytes
        if let left = faults.stopReading {
            faults.stopReading = left - bytes.count
            if left <= bytes.count {
                bytes.removeSubrange(left...)
                pause(.fault)
            }
        }
        guard let left = faults.cutFromClient else { return handOn(bytes) }
        faults.cutFromClient = left - bytes.count
        handOn(left <= bytes.count ? Array(bytes[..<left]) : bytes)
        if left <= bytes.count {
            faults.cutFromClient = 0
            core.settle()
            closeWhenWritten()
        }
    }

    private func handOn(_ bytes: [UInt8] = []) {
        held += bytes
        var start = 0
        while start < held.count, !pauses.contains(.congestion) {
            let end = min(start + Self.portion, held.count)
            core.received(Array(held[start..<end]), from: self)
            start = end
        }
        held.removeFirst(start)
    }

    /// Gates reading here, in one place; autoRead stays as it is.
    func read(context: ChannelHandlerContext) {
        if pauses.isEmpty { context.read() } else { missesRead = true }
    }

    func pause(_ reason: Pause) {
        if pauses.isEmpty { core.reading(false, from: self) }
        pauses.insert(reason)
    }

    func resume(_ reason: Pause) {
        guard pauses.remove(reason) != nil, pauses.isEmpty else { return }
        core.reading(true, from: self)
        if !held.isEmpty {
            handOn()
            core.settle()
        }
        guard missesRead, pauses.isEmpty else { return }
        missesRead = false
        context?.read()
    }
}

// MARK: - To the client

extension BrokerLink {
    func send(_ bytes: [UInt8]) {
        guard let delay = faults.delayToClient, let context else { return enqueue(bytes) }
        context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(delay)) { self.enqueue(bytes) }
    }

    private func enqueue(_ bytes: [UInt8]) {
        guard context != nil, !bytes.isEmpty else { return }
        waiting.append(bytes)
        waitingBytes += bytes.count
        // Answers have no window of their own.
        if waitingBytes > Self.waitingLimit { pause(.slowReader) }
        write()
    }

    /// Gives the channel what it may hold.
    private func write() {
        guard let context else { return }
        var wrote = false
        while bytesInChannel < 2 * Self.writeLimit, let bytes = waiting.first, faults.cutToClient != 0 {
            var end = min(bytes.count, offset + Self.writeLimit)
            if let left = faults.cutToClient { end = min(end, offset + left) }
            let count = end - offset
            if let left = faults.cutToClient { faults.cutToClient = left - count }
            let buffer = count == bytes.count ? ByteBuffer(bytes: bytes) : ByteBuffer(bytes: bytes[offset..<end])
            offset = end
            if end == bytes.count {
                _ = waiting.popFirst()
                offset = 0
            }
            waitingBytes -= count
            bytesInChannel += count
            wrote = true
            context.write(wrapOutboundOut(buffer)).assumeIsolated().whenSuccess { self.written(count) }
        }
        if waitingBytes < Self.waitingLimit / 2 { resume(.slowReader) }
        if wrote { context.flush() }
        closeIfWritten()
    }

    private func written(_ count: Int) {
        bytesInChannel -= count
        core.written(count, to: self)
        write()
    }

    /// Closes behind everything that waits; a client that does not read it has five seconds.
    func closeWhenWritten() {
        guard !closesWhenWritten, let context else { return }
        closesWhenWritten = true
        context.eventLoop.assumeIsolated().scheduleTask(in: faults.delayToClient.map { TimeAmount($0) } ?? .zero) { self.closeIfWritten() }
        context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(5)) { self.cut() }
    }

    private func closeIfWritten() {
        let isCut = faults.cutToClient == 0 && bytesInChannel == 0
        let isDone = closesWhenWritten && waiting.isEmpty && bytesInChannel == 0
        if isCut || isDone { cut() }
    }

    func cut() { context?.close(promise: nil) }
}
