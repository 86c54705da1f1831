#if WebSocket
    // WebSocket over a connection: first the upgrade, then the stream of bytes in frames.
    internal import MQTTCore
    internal import NIOCore

    struct WebSocketLayer: ConnectionLayer {
        let options: WebSocketOptions
        /// Host and port, as requests name them.
        let authority: String
        let isEncrypted: Bool

        func add(to pipeline: ChannelPipeline.SynchronousOperations) throws {
            var generator = SystemRandomNumberGenerator()
            let nonce = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let upgrade = WebSocketUpgrade(options, authority: authority, nonce: nonce)
            try pipeline.addHandler(WebSocketHandler(upgrade, isEncrypted: isEncrypted))
        }
    }

    /// The client's end of a WebSocket. The client behind it sees the stream of bytes, and knows nothing of frames [MQTT-6.0.0-2].
    final class WebSocketHandler: ChannelDuplexHandler {
        typealias InboundIn = ByteBuffer
        typealias InboundOut = ByteBuffer
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private enum State {
            /// The request goes out when the connection is there. Can transition to: `open`; `closed`.
            case upgrading(HTTPResponseReader)
            /// Can transition to: `closing` when the client has said all it has to say; `closed`.
            case open
            /// Close was sent, and that of the server is awaited. Can transition to: `closed`.
            case closing
            case closed
        }

        private let upgrade: WebSocketUpgrade
        private var state = State.upgrading(HTTPResponseReader())
        private var decoder = WebSocketDecoder()
        /// Only the last ping is answered, which is enough, so that a server cannot make answers pile up.
        private var ping: ByteBuffer?
        private var generator = SystemRandomNumberGenerator()

        private let isEncrypted: Bool

        /// - Parameter isEncrypted: Whether this is inside of TLS.
        init(_ upgrade: WebSocketUpgrade, isEncrypted: Bool) {
            self.upgrade = upgrade
            self.isEncrypted = isEncrypted
        }

        // MARK: Received bytes

        func channelActive(context: ChannelHandlerContext) {
            let advice = isEncrypted ? nil : "does the server expect TLS on this port?"
            context.fireUserInboundEventTriggered(HandshakeStage(name: "the WebSocket upgrade", advice: advice))
            context.writeAndFlush(wrapOutboundOut(upgrade.request.bytes), promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var input = unwrapInboundIn(data)
            if case .upgrading(let reader) = state { answered(reader, &input, context) }
            receive(&input, context)
        }

        private func answered(_ before: HTTPResponseReader, _ input: inout ByteBuffer, _ context: ChannelHandlerContext) {
            var reader = before
            do throws(HTTPResponseReader.Failure) {
                guard let response = try reader.read(&input) else { return state = .upgrading(reader) }
                if let objection = upgrade.objection(to: response) { return fail(objection, context) }
                state = .open
                context.fireChannelActive()
                input = reader.rest
            } catch {
                fail(WebSocketUpgrade.failure("the answer to the WebSocket upgrade is not HTTP"), context)
            }
        }

        private func fail(_ error: MQTTError, _ context: ChannelHandlerContext) {
            state = .closed
            context.fireErrorCaught(error)
        }

        /// Frames of a read are put together again: one small packet in each would cost a turn through the client each.
        private func receive(_ input: inout ByteBuffer, _ context: ChannelHandlerContext) {
            var stream = ByteBuffer()
            do throws(WebSocketDecoder.Violation) {
                while isListening, let part = try decoder.next(&input) {
                    switch part {
                    case .data(var bytes): if stream.readableBytes == 0 { stream = bytes } else { stream.writeBuffer(&bytes) }
                    case .ping(let payload): ping = payload
                    case .pong: break
                    case .close(let code, let reason):
                        forward(stream, context)
                        return closed(code, reason, context)
                    }
                }
                forward(stream, context)
            } catch {
                forward(stream, context)
                guard isListening else { return }
                send(.close, ByteBuffer(integer: 1002 as UInt16), context)
                let message = "the broker broke the WebSocket protocol: \(error.message)"
                fail(MQTTError(.connectionLost, .unknown, message, citation: error.citation), context)
                context.close(promise: nil)
            }
        }

        private var isListening: Bool {
            switch state {
            case .open, .closing: true
            case .upgrading, .closed: false
            }
        }

        private func forward(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
            if bytes.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(bytes)) }
        }

        /// The server has closed the WebSocket.
        private func closed(_ code: UInt16?, _ reason: String, _ context: ChannelHandlerContext) {
            if case .open = state {
                send(.close, code.map { ByteBuffer(integer: $0) } ?? ByteBuffer(), context)
                let text = code.map { "\($0)" } ?? "no code"
                let message = "the broker closed the WebSocket: \(text)\(reason.isEmpty ? "" : ", \(ForeignText.safe(reason))")"
                context.fireErrorCaught(MQTTError(.connectionLost, .unknown, message))
            }
            state = .closed
            context.close(promise: nil)
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            answerPing(context)
            context.fireChannelReadComplete()
        }

        func channelWritabilityChanged(context: ChannelHandlerContext) {
            answerPing(context)
            context.fireChannelWritabilityChanged()
        }

        private func answerPing(_ context: ChannelHandlerContext) {
            guard case .open = state, context.channel.isWritable, let payload = ping else { return }
            ping = nil
            send(.pong, payload, context)
        }

        // MARK: Sent bytes

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            guard case .open = state else {
                promise?.fail(ChannelError.ioOnClosedChannel)
                return
            }
            let frame = WebSocketEncoder.frame(.binary, unwrapOutboundIn(data), key: key())  // [MQTT-6.0.0-1]
            context.write(wrapOutboundOut(frame), promise: promise)
        }

        private func send(_ opcode: WebSocketOpcode, _ payload: ByteBuffer, _ context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(WebSocketEncoder.frame(opcode, payload, key: key())), promise: nil)
        }

        private func key() -> UInt32 { UInt32.random(in: .min ... .max, using: &generator) }

        /// The end of what the client has to say is a frame here: the server answers it, and closes the connection.
        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
            guard mode == .output, case .open = state else { return context.close(mode: mode, promise: promise) }
            state = .closing
            let frame = WebSocketEncoder.frame(.close, ByteBuffer(integer: 1000 as UInt16), key: key())
            context.writeAndFlush(wrapOutboundOut(frame), promise: promise)
        }
    }
#endif
