internal import MQTTTransport
internal import NIOCore
internal import Synchronization

/// One connection: received bytes become steps of the session, and the outbound buffer becomes writes.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    /// Packets until their messages are handed over.
    private static let packetsPerBatch = 256
    /// Packets of them that may be answers, until the engine's lock is given back: a publisher that waits for it for long goes to sleep.
    private static let answersPerLock = 32

    let link: Link
    let engine: Engine
    private(set) var context: ChannelHandlerContext?
    private var framer: PacketFramer
    /// Whether TLS is what a broker could miss: over TCP, with nothing in between.
    private let isPlain: Bool
    private let writer: ConnectionWriter
    /// A read that waits for the gate.
    private var isReadPending = false
    /// The payload that is arriving. Nil while it is dropped.
    private var stream: PayloadStream?
    private var failure: MQTTError?
    /// The failure is one of the socket: nobody has said why.
    private var isUnexplained = true
    private var isLeaving = false
    private var hasReceived = false
    /// CONNACK came, and accepted.
    private var isAccepted = false

    init(engine: Engine, link: Link, isPlain: Bool) {
        self.engine = engine
        self.isPlain = isPlain
        self.link = link
        writer = ConnectionWriter(engine: engine, link: link)
        framer = PacketFramer(maximumPacketSize: engine.settings.limits.maximumPacketSize)
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { engine.opened(self) } else { engine.opening(self) }
    }

    func channelActive(context: ChannelHandlerContext) {
        engine.opened(self)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        detach()
        stream?.fail(MQTTError(.connectionLost, .unknown, "the connection was lost in the middle of the payload"))
        stream = nil
        if !hasReceived, isPlain, isUnexplained {
            // Many brokers say nothing to bytes that are not TLS, and hang up.
            failure = MQTTError(.down, .notSent, "the connection was closed ahead of CONNACK: does the broker expect TLS on this port?")
        }
        engine.closed(self, failure)
        context.fireChannelInactive()
    }

    /// Also the end of a connection that never was: then nothing else tells.
    func handlerRemoved(context: ChannelHandlerContext) { detach() }

    private func detach() {
        context = nil
        writer.stop()
        engine.notOpening(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The first one says why; others follow from it, such as a WebSocket's end and then that of TLS.
        if failure == nil {
            isUnexplained = !(error is MQTTError)
            failure = error as? MQTTError ?? MQTTError(.connectionLost, .unknown, "the connection failed: \(NetworkFailure.text(error))")
        }
        context.close(promise: nil)
    }

    /// Gated: while a consumer is full, nothing is read. But CONNACK is: a slow consumer does not keep the client offline.
    func read(context: ChannelHandlerContext) {
        if engine.gate.isOpen || isLeaving || !isAccepted { context.read() } else { isReadPending = true }
    }

    func resumeReading() {
        guard isReadPending, let context else { return }
        isReadPending = false
        context.read()
    }

    // MARK: Received bytes

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        hasReceived = true
        guard !isLeaving else { return }
        var input = unwrapInboundIn(data)
        while self.context != nil, receive(&input) {}
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        engine.runLoop()
        context.fireChannelReadComplete()
    }

    /// Packets of the read buffer: how far they have been stepped, and what they leave to be done outside of the lock.
    private struct Batch {
        var position = 0
        var packets = 0
        /// More bytes are needed, or none are wanted.
        var isDone = false
        var messages = ReceivedRunBuilder()
        var chunks: [(PayloadStream, ByteBuffer)] = []

        var isOver: Bool { isDone || packets == ConnectionHandler.packetsPerBatch }
    }

    /// Steps a batch of packets. Returns whether there is more to do.
    private func receive(_ input: inout ByteBuffer) -> Bool {
        let now = engine.now
        let otherProtocol = isAccepted || framer.isMidPacket ? nil : OtherProtocol(input)
        var batch = Batch()
        // Out of the object, which would check each access at run time.
        var framer = PacketFramer(maximumPacketSize: 0)
        swap(&framer, &self.framer)
        var aftermath: Aftermath?
        while !batch.isOver {
            aftermath = engine.core.state.withLock { [input] state -> Aftermath? in
                guard state.session.phase.link == link else {
                    batch.isDone = true
                    return state.takeAftermath()
                }
                do throws(ProtocolViolation) {
                    try step(input, &framer, &state, at: now, &batch)
                } catch {
                    state.dialFailure = otherProtocol.map { MQTTError(.protocolViolation, .notSent, $0.advice) }
                    state.step(.violation(error), at: now)
                    batch.isDone = true
                }
                state.step(.received(midPacket: framer.isMidPacket), at: now)
                if !isAccepted, case .online = state.session.phase { isAccepted = true }
                // What has happened so far is told in one go.
                return batch.isOver ? state.takeAftermath() : nil
            }
        }
        framer.forgetFrame()
        swap(&framer, &self.framer)
        input.moveReaderIndex(forwardBy: batch.position)
        engine.finish(aftermath)
        handOver(&batch)
        return !batch.isDone
    }

    /// Steps packets until the batch is over, or the lock is to be given back.
    private func step(
        _ input: ByteBuffer, _ framer: inout PacketFramer, _ state: inout EngineState, at now: Instant, _ batch: inout Batch
    ) throws(ProtocolViolation) {
        let bytes = input.readableBytesUInt8Span
        var answers = 0
        while !batch.isOver, answers < Self.answersPerLock {
            if state.passesMessages, batch.messages.goesOn { stepRepeated(&framer, input.readerIndex, bytes, &batch) }
            if batch.isOver { return }
            guard let frame = try framer.next(input, bytes, &batch.position) else { return batch.isDone = true }
            batch.packets += 1
            if !frame.isMessage { answers += 1 }
            step(frame, framer, input, left: bytes.count - batch.position, &state, at: now, &batch)
        }
    }

    /// Messages of QoS 0 of one topic, of which the session need not hear: most come one behind the other.
    private func stepRepeated(_ framer: inout PacketFramer, _ start: Int, _ bytes: Span<UInt8>, _ batch: inout Batch) {
        while !batch.isOver, let head = framer.nextRepeated(bytes, &batch.position) {
            batch.packets += 1
            batch.messages.append(head, 0, offset: start + batch.position - head.payloadLength)
        }
    }

    private func step(
        _ frame: PacketFramer.Frame, _ framer: borrowing PacketFramer, _ input: ByteBuffer, left: Int, _ state: inout EngineState,
        at now: Instant, _ batch: inout Batch
    ) {
        switch frame {
        case .packet(let packet): state.step(.packet(packet), at: now)
        case .suback(let packet): state.suback(packet, codes: framer.codes, at: now)
        case .publish(let head, let offset, let isInInput):
            let publish = InboundPublish(qos: head.qos, packetID: head.packetID)
            guard case .deliver(let receipt) = state.publish(publish, at: now) else { return batch.messages.passOver() }
            if batch.messages.needsSource(head, isInput: isInInput) {
                batch.messages.append(
                    source: isInInput ? input : framer.packet, offset: offset, isInput: isInInput, topic: framer.lastTopic)
                batch.messages.reserve(min(Self.packetsPerBatch, left / (head.payloadOffset + head.payloadLength) + 1))
            }
            batch.messages.append(head, receipt, offset: offset)
        case .publishHead(let head):
            let publish = InboundPublish(qos: head.qos, packetID: head.packetID, isComplete: false)
            guard case .deliver(let receipt) = state.publish(publish, at: now) else {
                batch.messages.passOver()
                return stream = nil
            }
            let stream = PayloadStream(count: head.payloadLength, gate: engine.gate)
            self.stream = stream
            let message = Message(
                topic: framer.lastTopic, payload: Payload(.stream(stream)), qos: head.qos, retain: head.retain,
                isDuplicate: head.isDuplicate, packetID: head.packetID)
            batch.messages.append(Received(message: message, receipt: receipt))
        case .chunk(let isLast):
            if let stream { batch.chunks.append((stream, framer.chunk)) }
            guard isLast else { return }
            stream = nil
            state.step(.payloadCompleted, at: now)
        }
    }

    private func handOver(_ batch: inout Batch) {
        for (stream, chunk) in batch.chunks { stream.append(chunk) }
        let runs = batch.messages.finish()
        guard !runs.isEmpty else { return }
        engine.router.route(runs)
        engine.watchUnclaimed()
    }

    // MARK: Writes and the end

    func flush() {
        guard let context else { return }
        writer.flush(self, context)
    }

    /// A long write shows its progress only here.
    func noteProgress() {
        guard let context else { return }
        writer.noteProgress(context)
        writer.shrink()
    }

    func giveUp(_ reason: String) {
        if failure == nil { failure = MQTTError(.connectionLost, .unknown, reason) }
        isUnexplained = false
        hangUp()
    }

    func hangUp() { context?.close(promise: nil) }

    /// Everything that was sent goes out. Then the sending side is closed, and the broker's last bytes are read and dropped:
    /// closing at once could make the network drop the DISCONNECT.
    func hangUpAfterFlush() {
        isLeaving = true
        writer.whenFlushed { [self] in
            guard let context else { return }
            context.close(mode: .output).assumeIsolated().whenFailure { _ in self.hangUp() }
            context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(500)) { self.hangUp() }
            isReadPending = true
            resumeReading()
        }
    }
}
