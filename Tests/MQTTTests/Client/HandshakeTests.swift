import MQTT
import NIOCore
import Testing

/// Peers that break off, fall silent or talk nonsense between TCP and CONNECT: a clear error in time, and no socket is left open.
@Suite(.timeLimit(.minutes(1))) struct HandshakeTests {
    /// Where the handshake gets stuck.
    enum Way: CaseIterable {
        case tls, webSocket, httpProxy, socksProxy

        func broker(_ port: Int) -> Broker {
            var broker = Broker.tcp(host: "127.0.0.1", port: port)
            switch self {
            case .tls: broker.tls = TLSOptions()
            case .webSocket: broker.webSocket = WebSocketOptions()
            case .httpProxy: broker.proxy = .http(host: "127.0.0.1", port: port)
            case .socksProxy: broker.proxy = .socks5(host: "127.0.0.1", port: port)
            }
            return broker
        }

        var name: String {
            switch self {
            case .tls: "the TLS handshake"
            case .webSocket: "the WebSocket upgrade"
            case .httpProxy, .socksProxy: "the proxy's handshake"
            }
        }
    }

    private func client(_ broker: Broker, _ change: (inout Configuration) -> Void = { _ in }) throws -> MQTTClient {
        var configuration = Configuration(broker: broker, session: .volatile(id: "client"))
        configuration.retriesFirstConnect = false
        change(&configuration)
        return try MQTTClient(configuration)
    }

    private func failure(of client: MQTTClient) async -> MQTTError? {
        await failure(by: Task { try await client.run() })
    }

    private func failure(by run: Task<Void, any Error>) async -> MQTTError? {
        do {
            try await run.value
            return nil
        } catch {
            return error as? MQTTError
        }
    }

    /// Reads until the client has closed the connection.
    private func untilClosed(_ peer: Peer) async { while await peer.more() != nil {} }

    @Test("A peer that accepts and then says nothing: time-out, told by its stage, and the socket is closed", arguments: Way.allCases)
    func silence(_ way: Way) async throws {
        let server = try await ScriptedBroker.start()
        let client = try client(way.broker(server.port)) { $0.connectTimeout = .milliseconds(300) }
        let run = Task { try await client.run() }
        let peer = try await server.peer()
        let error = await failure(by: run)
        #expect(error?.code == .timeout)
        #expect(error?.fate == .notSent)
        #expect(error?.message == "\(way.name) was not done within connectTimeout")
        await untilClosed(peer)
        try await server.stop()
    }

    @Test("A peer that closes in the middle", arguments: Way.allCases)
    func closes(_ way: Way) async throws {
        let server = try await ScriptedBroker.start()
        let client = try client(way.broker(server.port))
        let run = Task { try await client.run() }
        let peer = try await server.peer()
        _ = await peer.more()
        try await peer.close()
        let error = await failure(by: run)
        #expect(error?.code == (way == .tls ? .tlsFailed : .down))
        #expect(error?.message.contains(way == .tls ? "TLS handshake" : way.name) == true)
        try await server.stop()
    }

    @Test("A peer that answers nonsense", arguments: Way.allCases)
    func nonsense(_ way: Way) async throws {
        let server = try await ScriptedBroker.start()
        let client = try client(way.broker(server.port))
        let run = Task { try await client.run() }
        let peer = try await server.peer()
        _ = await peer.more()
        try await peer.send([0x20, 2, 0, 0, 0x20, 2, 0, 0])
        let error = await failure(by: run)
        let code: MQTTError.Code =
            switch way {
            case .tls: .tlsFailed
            case .webSocket: .webSocketFailed
            case .httpProxy, .socksProxy: .proxyFailed
            }
        #expect(error?.code == code)
        await untilClosed(peer)
        try await server.stop()
    }

    @Test("The end of the client ends a handshake that is under way, at once", arguments: Way.allCases)
    func closedByApplication(_ way: Way) async throws {
        let server = try await ScriptedBroker.start()
        let client = try client(way.broker(server.port)) { $0.connectTimeout = .seconds(3_600) }
        let run = Task { try await client.run() }
        let peer = try await server.peer()
        await client.close()
        _ = await failure(by: run)
        await untilClosed(peer)
        try await server.stop()
    }

    @Test("After a time-out the next attempt is made, and succeeds", arguments: [Way.webSocket, .socksProxy])
    func recovers(_ way: Way) async throws {
        let server = try await ScriptedBroker.start()
        var broker = way.broker(server.port)
        broker.webSocket = nil
        let client = try client(way == .webSocket ? way.broker(server.port) : broker) {
            $0.connectTimeout = .milliseconds(200)
            $0.retriesFirstConnect = true
            $0.reconnect.minimum = .milliseconds(1)
        }
        var states = client.connectionStates.makeAsyncIterator()
        let run = Task { try await client.run() }
        for _ in 0..<2 {
            let peer = try await server.peer()
            guard case .attemptFailed(let error)? = await states.next() else { throw ChannelError.eof }
            #expect(error.code == .timeout)
            await untilClosed(peer)
        }
        await client.close()
        try await run.value
        try await server.stop()
    }

    @Test("HTTP in place of MQTT, and TLS in place of plain text, are told by name")
    func otherProtocols() async throws {
        let rows: [([UInt8], String)] = [
            ([0x15, 3, 1, 0, 2, 2, 0x46], "the broker expects TLS"), (Array("HTTP/1.1 400 Bad Request\r\n".utf8), "an HTTP server"),
        ]
        for (bytes, words) in rows {
            let server = try await ScriptedBroker.start()
            let client = try client(.tcp(host: "127.0.0.1", port: server.port))
            let run = Task { try await client.run() }
            let peer = try await server.peer()
            _ = try await peer.packet()
            try await peer.send(bytes)
            let error = await failure(by: run)
            #expect(error?.code == .protocolViolation)
            #expect(error?.message.hasPrefix(words) == true)
            await untilClosed(peer)
            try await server.stop()
        }
    }
}
