import MQTT
import NIOCore
import Testing

/// What follows on a refusal, and what an application can do about attempts to connect.
@Suite(.timeLimit(.minutes(1))) struct ConnectPolicyTests {
    /// A client whose pauses are an hour, but for the least.
    private func client(_ server: ScriptedBroker, _ change: (inout Configuration) -> Void = { _ in }) throws -> MQTTClient {
        try MQTTClient(
            settings(dialer: server.dialer) {
                $0.reconnect.maximum = .seconds(3_600)
                change(&$0)
            })
    }

    /// Takes CONNECT, and refuses.
    private func refuse(_ server: ScriptedBroker, _ code: UInt8) async throws {
        let peer = try await server.peer()
        _ = try await peer.packet()
        try await peer.send([0x20, 2, 0, code])
    }

    @Test("The classes of return codes and of HTTP's statuses")
    func classes() {
        func refusal(_ code: UInt8) -> ConnectRefusal? {
            ConnectRefusal(MQTTError(.connectionRefused, .refusedByBroker, "", reasonCode: ReasonCode(rawValue: code)))
        }
        #expect([1, 2, 3, 4, 5].map(refusal) == [.protocolVersion, .credentials, .busy, .credentials, .credentials])
        #expect([0x84, 0x87, 0x88, 0x8A, 0x97, 0x9D].map(refusal) == [.protocolVersion, .credentials, .busy, .banned, .quota, .moved])
        #expect(refusal(0x90) == nil)
        func status(_ code: MQTTError.Code, _ status: Int) -> ConnectRefusal? {
            var error = MQTTError(code, .notSent, "")
            error.httpStatus = status
            return ConnectRefusal(error)
        }
        #expect([401, 403, 302, 429, 503].map { status(.webSocketRefused, $0) } == [.credentials, .credentials, .moved, .quota, .busy])
        #expect(status(.proxyRefused, 407) == .credentials)
        #expect(status(.webSocketRefused, 500) == nil)
        #expect(ConnectRefusal(MQTTError(.down, .notSent, "")) == nil)
        #expect(ConnectRefusal(MQTTError(.clientCertificateRefused, .notSent, "")) == .credentials)
    }

    @Test("The end: run throws the refusal")
    func end() async throws {
        let server = try await ScriptedBroker.start()
        let client = try client(server) { $0.reconnect.reactions[.credentials] = .end }
        let run = Task { try await client.run() }
        try await refuse(server, 4)
        let error = await #expect(throws: MQTTError.self) { try await run.value }
        #expect(error?.code == .connectionRefused)
        #expect(error?.reasonCode == .badUserNameOrPassword)
        try await server.stop()
    }

    @Test("Another class than the one with a reaction is tried again slowly, until connectNow")
    func slow() async throws {
        let server = try await ScriptedBroker.start()
        let client = try client(server) { $0.reconnect.reactions[.credentials] = .end }
        var states = client.connectionStates.makeAsyncIterator()
        let run = Task { try await client.run() }
        try await refuse(server, 3)
        guard case .attemptFailed? = await states.next() else { throw ChannelError.eof }
        client.connectNow()
        _ = try await server.accept()
        try await client.waitUntilOnline()
        await client.close()
        try await run.value
        try await server.stop()
    }

    @Test("A quick retry comes after the least pause")
    func quick() async throws {
        let server = try await ScriptedBroker.start()
        let client = try client(server) { $0.reconnect.reactions[.credentials] = .retryQuickly }
        let run = Task { try await client.run() }
        for _ in 0..<5 { try await refuse(server, 5) }
        _ = try await server.accept()
        try await client.waitUntilOnline()
        await client.close()
        try await run.value
        try await server.stop()
    }

    @Test("A pause ends with connectNow")
    func pause() async throws {
        let server = try await ScriptedBroker.start()
        let client = try client(server) { $0.reconnect.reactions[.busy] = .pause }
        var states = client.connectionStates.makeAsyncIterator()
        let run = Task { try await client.run() }
        try await refuse(server, 3)
        guard case .attemptFailed? = await states.next() else { throw ChannelError.eof }
        let error = await failure { try await client.ping() }
        #expect(error?.code == .down)
        let delivery = try client.submit("x", to: "t", .atLeastOnce)
        client.connectNow()
        let peer = try await server.accept()
        let publish = try await peer.packet(0x30)
        try await peer.send([0x40, 2] + publish[5...6])
        _ = try await delivery.completed
        await client.close()
        try await run.value
        try await server.stop()
    }

    @Test("Paused by the application: the connection stays, and after its loss nobody connects")
    func pausedByApplication() async throws {
        let server = try await ScriptedBroker.start()
        let client = try client(server)
        var states = client.connectionStates.makeAsyncIterator()
        let run = Task { try await client.run() }
        let first = try await server.accept()
        #expect(await states.next() == .online(try await client.waitUntilOnline()))
        client.pauseConnecting()
        async let ping = client.ping()
        _ = try await first.packet(0xC0)
        try await first.send([0xD0, 0])
        _ = try await ping
        try await first.close()
        guard case .offline? = await states.next() else { throw ChannelError.eof }
        #expect(await failure { try await client.ping() }?.code == .down)
        client.connectNow()
        _ = try await server.accept()
        try await client.waitUntilOnline()
        await client.close()
        try await run.value
        try await server.stop()
    }
}
