internal import NIOCore
internal import Synchronization

/// Brings the outbound buffer to the channel: one batch at a time, as large as there is, so that many packets are one system call.
///
/// Confined to the event loop of its connection.
final class ConnectionWriter {
    /// Bytes of a batch.
    private static let batchLength = 256 << 10
    /// Batches until the event loop gets to do something else.
    private static let batchesPerTurn = 16

    private let engine: Engine
    private let link: Link
    /// A batch is being written.
    private var isWriting = false
    /// The channel holds bytes of it that the operating system has not taken. Not while a source is read.
    private var isWithChannel = false
    private var isFlushing = false
    /// Those of the batch at hand.
    private var blocks: [ByteBuffer] = []
    /// Called when there is nothing left to write.
    private var whenFlushed: (() -> Void)?
    /// What the channel held when it was last looked at.
    private var lastBuffered = 0
    /// Reads a payload from its source.
    private var reading: Task<Void, Never>?

    init(engine: Engine, link: Link) {
        self.engine = engine
        self.link = link
    }

    /// Writes until there is nothing left, or the channel takes no more: then the completion of the write comes back here.
    func flush(_ connection: ConnectionHandler, _ context: ChannelHandlerContext) {
        guard !isFlushing, !isWriting else { return }
        isFlushing = true
        var batches = 0
        while !isWriting, writeBatch(connection, context) {
            batches += 1
            guard batches < Self.batchesPerTurn else {
                engine.wake()
                break
            }
        }
        isFlushing = false
        finishIfFlushed()
    }

    func whenFlushed(_ action: @escaping () -> Void) {
        whenFlushed = action
        finishIfFlushed()
    }

    /// The connection is gone.
    func stop() {
        whenFlushed = nil
        reading?.cancel()
        reading = nil
    }

    private func finishIfFlushed() {
        guard !isWriting, let action = whenFlushed, engine.core.state.withLock({ $0.outbound.isEmpty }) else { return }
        whenFlushed = nil
        action()
    }

    /// Returns whether there was anything to write.
    private func writeBatch(_ connection: ConnectionHandler, _ context: ChannelHandlerContext) -> Bool {
        let segments = engine.core.state.withLock { state -> [OutboundBuffer.Segment] in
            guard state.link == link, state.session.phase.link == link else { return [] }
            let segments = state.outbound.take(upTo: Self.batchLength)
            state.isWriting = !segments.isEmpty
            return segments
        }
        guard let first = segments.first else { return false }
        isWriting = true
        if case .source(let source, let serial) = first {
            write(source, serial, connection)
        } else {
            write(segments, connection, context)
        }
        return true
    }

    private func write(_ segments: [OutboundBuffer.Segment], _ connection: ConnectionHandler, _ context: ChannelHandlerContext) {
        var bytes = 0
        let promise = context.eventLoop.makePromise(of: Void.self)
        for (index, segment) in segments.enumerated() {
            guard let buffer = segment.bytes else { continue }
            if case .lastPackets = segment { blocks.append(buffer) }
            bytes += buffer.readableBytes
            context.write(connection.wrapOutboundOut(buffer), promise: index == segments.count - 1 ? promise : nil)
        }
        promise.futureResult.assumeIsolated().whenSuccess { self.wrote(bytes, isLast: true, connection) }
        isWithChannel = true
        context.flush()
        if isWithChannel { noteWriting() }
    }

    /// The channel did not take all of it at once: from now on its silence counts.
    private func noteWriting() {
        engine.core.state.withLock { state in
            guard state.session.phase.link == link else { return }
            state.step(.written(pending: state.outbound.pending), at: engine.now)
        }
    }

    /// Reads and writes the source in chunks, one at a time: memory stays bounded.
    private func write(_ source: CountedSource, _ serial: Serial?, _ connection: ConnectionHandler) {
        guard source.count > 0 else { return wrote(0, isLast: true, connection) }
        let bound = NIOLoopBound((self, connection), eventLoop: engine.eventLoop)
        let engine = engine
        reading = Task {
            var offset = 0
            do throws(MQTTError) {
                while offset < source.count {
                    let chunk = try await source.chunk(at: offset)
                    offset += chunk.readableBytes
                    let isLast = offset >= source.count
                    let written = engine.eventLoop.flatSubmit { () -> EventLoopFuture<Void> in
                        let (writer, connection) = bound.value
                        return writer.write(chunk, isLast: isLast, connection)
                    }
                    // When the connection is gone the rest is of no use, and the session knows.
                    guard (try? await written.get()) != nil else { return }
                }
            } catch {
                engine.payloadUnavailable(serial, error)
                engine.eventLoop.execute { bound.value.1.giveUp("a payload's source failed") }
            }
        }
    }

    private func write(_ chunk: ByteBuffer, isLast: Bool, _ connection: ConnectionHandler) -> EventLoopFuture<Void> {
        guard let context = connection.context else { return engine.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
        let written = context.write(connection.wrapOutboundOut(chunk))
        written.assumeIsolated().whenSuccess { self.wrote(chunk.readableBytes, isLast: isLast, connection) }
        isWithChannel = true
        context.flush()
        if isWithChannel { noteWriting() }
        engine.armTimer()
        return written
    }

    /// The operating system took bytes; with `isLast`, all of the batch.
    private func wrote(_ bytes: Int, isLast: Bool, _ connection: ConnectionHandler) {
        isWithChannel = false
        if isLast { isWriting = false }
        let aftermath = engine.core.state.withLock { state -> Aftermath? in
            guard state.link == link, state.session.phase.link == link else { return nil }
            state.isWriting = isWriting
            if isLast { state.outbound.reuse(blocks) }
            state.wrote(bytes, limit: engine.settings.limits.outboundBytes, at: engine.now)
            return state.takeAftermath()
        }
        if isLast { blocks.removeAll(keepingCapacity: true) }
        engine.finish(aftermath)
        guard !isFlushing else { return }
        if isLast, let context = connection.context { flush(connection, context) }
        engine.armTimer()
    }

    /// Gives back the memory that was kept for more packets: none came for a while.
    func shrink() {
        guard !isWriting else { return }
        blocks = []
        engine.core.state.withLock { $0.outbound.shrink() }
    }

    /// Tells the session that a long write goes on, when it does.
    func noteProgress(_ context: ChannelHandlerContext) {
        guard isWithChannel, let buffered = try? context.channel.syncOptions?.getOption(.bufferedWritableBytes) else { return }
        defer { lastBuffered = buffered }
        if buffered != lastBuffered { noteWriting() }
    }
}
