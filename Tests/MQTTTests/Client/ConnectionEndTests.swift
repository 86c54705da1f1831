import MQTT
import NIOCore
import NIOPosix
import Testing

@testable import MQTTTransport

/// How connections end ahead of CONNACK and later, through the whole client: the error says what the other end has said, and nothing that
/// cannot be.
@Suite(.timeLimit(.minutes(1))) struct ConnectionEndTests {
    private static let advice = "does the broker expect TLS on this port?"

    private func failure(_ broker: Broker, _ talk: (Peer) async throws -> Void, _ server: ScriptedBroker) async throws -> MQTTError? {
        var configuration = Configuration(broker: broker, session: .volatile(id: "client"))
        configuration.retriesFirstConnect = false
        let client = try MQTTClient(configuration)
        let run = Task { try await client.run() }
        let peer = try await server.peer()
        try await talk(peer)
        do {
            try await run.value
            return nil
        } catch {
            return error as? MQTTError
        }
    }

    @Test("A plain connection that is closed after CONNECT: it may be TLS that is missing")
    func plain() async throws {
        let server = try await ScriptedBroker.start()
        let broker = Broker.tcp(host: "127.0.0.1", port: server.port)
        let error = try await failure(broker, { peer in
            _ = try await peer.packet()
            try await peer.close()
        }, server)
        #expect(error?.code == .down)
        #expect(error?.message == "the connection was closed ahead of CONNACK: \(Self.advice)")
        try await server.stop()
    }

    @Test("A Unix socket has no TLS to miss")
    func unixSocket() async throws {
        let path = "/tmp/mqtt-end-\(UInt64.random(in: .min ... .max)).sock"
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(HangsUp()) }
            }.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        var configuration = Configuration(broker: .unix(path: path), session: .volatile(id: "client"))
        configuration.retriesFirstConnect = false
        let error = await #expect(throws: MQTTError.self) { try await MQTTClient(configuration).run() }
        #expect(error?.code == .down)
        #expect(error?.message == "the connection was closed ahead of CONNACK")
        try await listener.close()
    }

    /// Closes when the first bytes come.
    private final class HangsUp: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.close(promise: nil) }
    }

    #if WebSocket
        private func upgrade(_ peer: Peer) async throws {
            var request = ""
            while !request.hasSuffix("\r\n\r\n") {
                guard let more = await peer.more() else { throw ChannelError.eof }
                request += String(buffer: more)
            }
            let line = request.split(separator: "\r\n").first { $0.hasPrefix("Sec-WebSocket-Key: ") }
            let key = String(try #require(line).dropFirst("Sec-WebSocket-Key: ".count))
            let accept = Base64.encode(SHA1.digest(of: Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
            let answer = [
                "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: \(accept)",
                "Sec-WebSocket-Protocol: mqtt", "", "",
            ]
            try await peer.send(Array(answer.joined(separator: "\r\n").utf8))
            _ = await peer.more()
        }

        private func close(_ code: UInt16, _ reason: String) -> [UInt8] {
            [0x88, UInt8(2 + reason.utf8.count), UInt8(code >> 8), UInt8(code & 0xFF)] + Array(reason.utf8)
        }

        @Test("A WebSocket that is closed ahead of CONNACK: code and reason, for people, and safe for their terminal")
        func webSocketClosed() async throws {
            let server = try await ScriptedBroker.start()
            let error = try await failure(.webSocket(host: "127.0.0.1", port: server.port), { peer in
                try await upgrade(peer)
                try await peer.send(close(1008, "not \u{1b}[31mallowed"))
            }, server)
            #expect(error?.code == .down)
            #expect(error?.fate == .notSent)
            #expect(error?.message == "the broker closed the WebSocket: 1008, not \u{FFFD}[31mallowed")
            try await server.stop()
        }

        @Test("The same when the connection is up")
        func webSocketClosedOnline() async throws {
            let server = try await ScriptedBroker.start()
            let configuration = Configuration(
                broker: .webSocket(host: "127.0.0.1", port: server.port), session: .volatile(id: "client"))
            let client = try MQTTClient(configuration)
            var states = client.connectionStates.makeAsyncIterator()
            let run = Task { try await client.run() }
            let peer = try await server.peer()
            try await upgrade(peer)
            try await peer.send([0x82, 4, 0x20, 2, 0, 0])
            guard case .online? = await states.next() else { throw ChannelError.eof }
            try await peer.send(close(1013, "overload"))
            guard case .offline(let error)? = await states.next() else { throw ChannelError.eof }
            #expect(error.code == .connectionLost)
            #expect(error.message == "the broker closed the WebSocket: 1013, overload")
            await client.close()
            try await run.value
            try await server.stop()
        }

        @Test(
            "A WebSocket that breaks its protocol ahead of CONNACK: a masked frame, and text",
            arguments: [[0x82, 0x80, 0, 0, 0, 0], [0x81, 0]])
        func webSocketViolation(_ frame: [UInt8]) async throws {
            let server = try await ScriptedBroker.start()
            let error = try await failure(.webSocket(host: "127.0.0.1", port: server.port), { peer in
                try await upgrade(peer)
                try await peer.send(frame)
            }, server)
            #expect(error?.message.hasPrefix("the broker broke the WebSocket protocol: ") == true, "\(String(describing: error))")
            try await server.stop()
        }

        @Test("An upgrade that is answered with another status, or with nonsense: told at once, and the socket is closed")
        func refusedUpgrades() async throws {
            let rows: [(String, MQTTError.Code, String)] = [
                ("HTTP/1.1 401 Unauthorized\r\n\r\n", .webSocketRefused, "401 Unauthorized"),
                ("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", .webSocketRefused, "redirections are not followed"),
                ("HTTP/1.1 200 OK\r\n\r\n", .webSocketRefused, "200 OK"),
                ("HTTP/1.1 101 Switching Protocols\r\n\r\n", .webSocketFailed, "not the one to this request"),
                ("SSH-2.0-OpenSSH\r\n", .webSocketFailed, "is not HTTP"),
            ]
            for (answer, code, words) in rows {
                let server = try await ScriptedBroker.start()
                let error = try await failure(.webSocket(host: "127.0.0.1", port: server.port), { peer in
                    _ = await peer.more()
                    try await peer.send(Array(answer.utf8))
                    while await peer.more() != nil {}
                }, server)
                #expect(error?.code == code)
                #expect(error?.message.contains(words) == true, "\(String(describing: error))")
                try await server.stop()
            }
        }

        @Test("A server that closes in the middle of the upgrade may expect TLS, unless there is TLS")
        func closedInUpgrade() async throws {
            let server = try await ScriptedBroker.start()
            let error = try await failure(.webSocket(host: "127.0.0.1", port: server.port), { peer in
                _ = await peer.more()
                try await peer.close()
            }, server)
            #expect(error?.code == .down)
            let words = "the connection was closed in the middle of the WebSocket upgrade: does the server expect TLS on this port?"
            #expect(error?.message == words)
            try await server.stop()
        }
    #endif
}
