#if WebSocket
    import MQTTCore
    import NIOCore
    import NIOEmbedded
    import Testing

    @testable import MQTTTransport

    /// The client's end of a WebSocket, without a network.
    @Suite struct WebSocketHandlerTests {
        /// The example of RFC 6455 section 1.3.
        private static let nonce = Array("the sample nonce".utf8)
        private static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        private static let answer =
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
            + "Sec-WebSocket-Accept: \(accept)\r\n" + "Sec-WebSocket-Protocol: mqtt\r\n\r\n"

        private final class Client: ChannelInboundHandler {
            typealias InboundIn = ByteBuffer
            var isActive = false
            var bytes: [UInt8] = []
            var errors: [MQTTError] = []

            func channelActive(context: ChannelHandlerContext) { isActive = true }
            func channelRead(context: ChannelHandlerContext, data: NIOAny) { bytes += Array(unwrapInboundIn(data).readableBytesView) }
            func errorCaught(context: ChannelHandlerContext, error: any Error) {
                if let error = error as? MQTTError { errors.append(error) }
            }
        }

        private final class Rig {
            let channel: EmbeddedChannel
            let client = Client()

            init(_ options: WebSocketOptions = WebSocketOptions()) throws {
                let upgrade = WebSocketUpgrade(options, authority: "broker.example:8080", nonce: WebSocketHandlerTests.nonce)
                channel = EmbeddedChannel(handlers: [WebSocketHandler(upgrade, isEncrypted: false), client])
                try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 80)).wait()
            }

            /// Past the upgrade.
            static func open() throws -> Rig {
                let rig = try Rig()
                _ = rig.sent()
                try rig.receive(Array(WebSocketHandlerTests.answer.utf8))
                #expect(rig.client.isActive)
                return rig
            }

            func receive(_ bytes: [UInt8]) throws { try channel.writeInbound(ByteBuffer(bytes: bytes)) }

            func sent() -> [UInt8] {
                var bytes: [UInt8] = []
                while let buffer = try? channel.readOutbound(as: ByteBuffer.self) { bytes += Array(buffer.readableBytesView) }
                return bytes
            }

            /// The frames that were sent: the first byte and the payload of each.
            func frames() -> [(first: UInt8, payload: [UInt8])] {
                var frames: [(first: UInt8, payload: [UInt8])] = []
                var bytes = sent()[...]
                while bytes.count >= 6 {
                    let (first, count) = (bytes[bytes.startIndex], Int(bytes[bytes.startIndex + 1] & 0x7F))
                    let key = Array(bytes.dropFirst(2).prefix(4))
                    frames.append((first, bytes.dropFirst(6).prefix(count).enumerated().map { $1 ^ key[$0 & 3] }))
                    bytes = bytes.dropFirst(6 + count)
                }
                return frames
            }
        }

        @Test("MQTT-6.0.0-3: the request offers the subprotocol mqtt, and is the one of RFC 6455")
        func request() throws {
            let rig = try Rig(WebSocketOptions(path: "/mqtt?x=1", headers: [HTTPField("Authorization", "Bearer abc")]))
            let text = String(decoding: rig.sent(), as: UTF8.self)
            #expect(
                text == """
                    GET /mqtt?x=1 HTTP/1.1\r
                    Host: broker.example:8080\r
                    Upgrade: websocket\r
                    Connection: Upgrade\r
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
                    Sec-WebSocket-Version: 13\r
                    Sec-WebSocket-Protocol: mqtt\r
                    Authorization: Bearer abc\r
                    \r

                    """)
            #expect(!rig.client.isActive)
        }

        @Test("MQTT-6.0.0-4: an answer without the subprotocol mqtt is no WebSocket", arguments: ["", "mqttv3.1", "mqtt, other", "MQTT"])
        func subprotocol(_ name: String) throws {
            let line = name.isEmpty ? "" : "Sec-WebSocket-Protocol: \(name)\r\n"
            let error = try failure(Self.answer.replacing("Sec-WebSocket-Protocol: mqtt\r\n", with: line))
            #expect(error?.code == .webSocketFailed)
            #expect(error?.citation == "MQTT-6.0.0-4")
        }

        private func failure(_ answer: String) throws -> MQTTError? {
            let rig = try Rig()
            try rig.receive(Array(answer.utf8))
            #expect(!rig.client.isActive)
            return rig.client.errors.first
        }

        @Test(
            "Another status is told, and not followed",
            arguments: ["401 Unauthorized", "302 Found", "200 OK", "503", "426 Upgrade Required"])
        func status(_ status: String) throws {
            let error = try failure("HTTP/1.1 \(status)\r\nLocation: http://elsewhere/\r\n\r\nbody")
            #expect(error?.code == .webSocketRefused)
            #expect(error?.message.contains(status) == true)
        }

        @Test("An answer to another request, and answers that are none")
        func garbage() throws {
            #expect(try failure(Self.answer.replacing(Self.accept, with: "AAAA"))?.code == .webSocketFailed)
            #expect(try failure(Self.answer.replacing("WebSocket", with: "h2c"))?.code == .webSocketFailed)
            #expect(try failure(Self.answer.replacing(", Upgrade", with: ""))?.code == .webSocketFailed)
            #expect(
                try failure(Self.answer.replacing("\r\n\r\n", with: "\r\nSec-WebSocket-Extensions: x\r\n\r\n"))?.code == .webSocketFailed)
            for text in [" ", "SSH-2.0-OpenSSH", "HTTP/2 101\r\n\r\n", "HTTP/1.1 1\r\n\r\n", "HTTP/1.1 101 X\r\nno colon\r\n\r\n"] {
                #expect(try failure(text)?.code == .webSocketFailed, "\(text)")
            }
            #expect(try failure("HTTP/1.1 101 X\r\nx: " + String(repeating: "y", count: 20_000))?.code == .webSocketFailed)
        }

        @Test("MQTT-6.0.0-2: packets may be split over frames and joined in them; what comes with the answer counts")
        func stream() throws {
            for chunk in [1, 3, 1_000] {
                let rig = try Rig()
                _ = rig.sent()
                var bytes = Array(Self.answer.utf8)[...]
                bytes += [0x82, 1, 0x20] + [0x02, 2, 2, 0] + [0x80, 1, 0] + [0x82, 4, 0xD0, 0, 0xD0, 0]
                while !bytes.isEmpty {
                    try rig.receive(Array(bytes.prefix(chunk)))
                    bytes = bytes.dropFirst(chunk)
                }
                #expect(rig.client.isActive)
                #expect(rig.client.bytes == [0x20, 2, 0, 0, 0xD0, 0, 0xD0, 0])
            }
        }

        @Test("MQTT-6.0.0-1: packets go out in binary frames, and a text frame ends the connection")
        func binaryOnly() throws {
            let rig = try Rig.open()
            try rig.channel.writeOutbound(ByteBuffer(bytes: [0xC0, 0]))
            let frames = rig.frames()
            #expect(frames.map(\.first) == [0x82])
            #expect(frames.map(\.payload) == [[0xC0, 0]])
            try rig.receive([0x82, 1, 7, 0x81, 1, 0x20])
            #expect(rig.client.bytes == [7])
            #expect(rig.client.errors.map(\.citation) == ["MQTT-6.0.0-1"])
            #expect(!rig.channel.isActive)
            #expect(rig.frames().map(\.payload) == [[0x03, 0xEA]])
        }

        @Test("A ping is answered with what it has; of many at once the last")
        func pings() throws {
            let rig = try Rig.open()
            try rig.receive([0x89, 1, 1])
            try rig.receive([0x89, 1, 2, 0x89, 1, 3, 0x8A, 0])
            let frames = rig.frames()
            #expect(frames.map(\.first) == [0x8A, 0x8A])
            #expect(frames.map(\.payload) == [[1], [3]])
        }

        @Test("The server's close is answered, and told with its code")
        func serverCloses() throws {
            let rig = try Rig.open()
            try rig.receive([0x88, 6, 0x03, 0xF0] + Array("busy".utf8))
            #expect(rig.frames().map(\.payload) == [[0x03, 0xF0]])
            #expect(rig.client.errors.first?.code == .connectionLost)
            #expect(rig.client.errors.first?.message.contains("1008, busy") == true)
            #expect(!rig.channel.isActive)
        }

        @Test("The client's end is a close frame with 1000; the server's answer closes the connection without an error")
        func clientCloses() throws {
            let rig = try Rig.open()
            try rig.channel.writeOutbound(ByteBuffer(bytes: [0xE0, 0]))
            try rig.channel.close(mode: .output).wait()
            #expect(rig.frames().map(\.payload) == [[0xE0, 0], [0x03, 0xE8]])
            #expect(rig.channel.isActive)
            try rig.receive([0x88, 2, 0x03, 0xE8])
            #expect(!rig.channel.isActive)
            #expect(rig.client.errors.isEmpty)
        }

        @Test("What would break the request is refused")
        func options() {
            func error(_ options: WebSocketOptions) -> MQTTError? {
                do {
                    _ = try Layers.webSocket(options, host: "h", port: 80, isEncrypted: false)
                    return nil
                } catch {
                    return error
                }
            }
            #expect(error(WebSocketOptions(path: "/a?b=%20", headers: [HTTPField("X-Any_1", "a b\tc ü")])) == nil)
            for path in ["", "mqtt", "/a b", "/a#b", "/a\r\nX: y", "/ü"] {
                #expect(error(WebSocketOptions(path: path))?.code == .invalidArgument)
            }
            for name in ["", "a b", "a:", "a\r\n", "ü", "Upgrade", "connection", "Sec-WebSocket-Key", "Content-Length"] {
                #expect(error(WebSocketOptions(headers: [HTTPField(name, "x")]))?.code == .invalidArgument)
            }
            for value in ["a\r\nb", "a\nb", "\0"] {
                #expect(error(WebSocketOptions(headers: [HTTPField("x", value)]))?.code == .invalidArgument)
            }
        }
    }
#endif
