import MQTT
import NIOCore
import Testing

/// Credentials that are asked for ahead of each attempt.
@Suite(.timeLimit(.minutes(1))) struct CredentialTests {
    private struct Secret: Error, CustomStringConvertible {
        let description = "the secret is 1234"
    }

    @Test("Each attempt has its own; what is nil comes from the configuration")
    func eachAttempt() async throws {
        let server = try await ScriptedBroker.start()
        let asked = LockedBox([Broker]())
        let client = try MQTTClient(
            settings(dialer: server.dialer) {
                $0.username = "me"
                $0.credentialProvider = { broker in
                    let number = asked.withValue { asked in
                        asked.append(broker)
                        return asked.count
                    }
                    return Credentials(username: number == 2 ? "other" : nil, password: Array("token-\(number)".utf8))
                }
            })
        let run = Task { try await client.run() }
        for (username, password) in [("me", "token-1"), ("other", "token-2"), ("me", "token-3")] {
            let peer = try await server.peer()
            let connect = try await peer.packet()
            let tail = [0, UInt8(username.utf8.count)] + Array(username.utf8) + [0, UInt8(password.utf8.count)] + Array(password.utf8)
            #expect(Array(connect.suffix(tail.count)) == tail)
            try await peer.close()
        }
        await client.close()
        try await run.value
        #expect(Set(asked.value) == [.tcp(host: "in.memory")])
        try await server.stop()
    }

    @Test("A provider that fails is a failed attempt, and its error is not shown; the next one may succeed")
    func failing() async throws {
        let server = try await ScriptedBroker.start()
        let attempts = LockedBox(0)
        let client = try MQTTClient(
            settings(dialer: server.dialer) {
                $0.credentialProvider = { _ in
                    let number = attempts.withValue { attempts in
                        attempts += 1
                        return attempts
                    }
                    if number < 3 { throw Secret() }
                    return Credentials(username: "u", password: "p")
                }
            })
        var states = client.connectionStates.makeAsyncIterator()
        let run = Task { try await client.run() }
        for _ in 0..<2 {
            guard case .attemptFailed(let error)? = await states.next() else { throw ChannelError.eof }
            #expect(error.code == .credentialsUnavailable)
            #expect(error.fate == .notSent)
            #expect(!error.description.contains("1234"))
        }
        _ = try await server.accept()
        try await client.waitUntilOnline()
        await client.close()
        try await run.value
        try await server.stop()
    }

    @Test("A provider that takes too long is canceled, and what it says later is not used")
    func late() async throws {
        let (cancellations, cancellation) = AsyncStream.makeStream(of: Void.self)
        var configuration = Configuration(broker: .tcp(host: "127.0.0.1", port: 1), session: .volatile(id: "c"))
        configuration.retriesFirstConnect = false
        configuration.credentialTimeout = .milliseconds(50)
        configuration.credentialProvider = { _ in
            for await _ in AsyncStream<Void>.makeStream().stream {}
            if Task.isCancelled { cancellation.yield() }
            return Credentials(username: "u")
        }
        let client = try MQTTClient(configuration)
        let error = await failure { try await client.run() }
        #expect(error?.code == .credentialsUnavailable)
        var iterator = cancellations.makeAsyncIterator()
        #expect(await iterator.next() != nil)
    }

    @Test("The end of the client cancels a provider at work")
    func ended() async throws {
        let (calls, call) = AsyncStream.makeStream(of: String.self)
        var configuration = Configuration(broker: .tcp(host: "127.0.0.1", port: 1), session: .volatile(id: "c"))
        configuration.credentialTimeout = .seconds(3_600)
        configuration.credentialProvider = { _ in
            call.yield("asked")
            for await _ in AsyncStream<Void>.makeStream().stream {}
            call.yield(Task.isCancelled ? "canceled" : "ended")
            return Credentials()
        }
        let client = try MQTTClient(configuration)
        let run = Task { try await client.run() }
        var iterator = calls.makeAsyncIterator()
        #expect(await iterator.next() == "asked")
        await client.close()
        try await run.value
        #expect(await iterator.next() == "canceled")
    }

    @Test("Credentials that no packet can carry are a failed attempt")
    func invalid() async throws {
        let impossible = [Credentials(password: "no user"), Credentials(username: "a\0b"), Credentials(username: "u", webSocketPath: "x")]
        for credentials in impossible {
            var configuration = Configuration(broker: .webSocket(host: "127.0.0.1", port: 1), session: .volatile(id: "c"))
            configuration.retriesFirstConnect = false
            configuration.credentialProvider = { _ in credentials }
            let client = try MQTTClient(configuration)
            #expect(await failure { try await client.run() }?.code == .invalidArgument)
        }
    }

    @Test("A signed path and a token of WebSocket belong to one attempt")
    func webSocket() async throws {
        let server = try await ScriptedBroker.start()
        let attempts = LockedBox(0)
        var broker = Broker.webSocket(host: "127.0.0.1", port: server.port)
        broker.webSocket?.headers = [HTTPField("authorization", "none"), HTTPField("X-Kept", "yes")]
        var configuration = Configuration(broker: broker, session: .volatile(id: "c"))
        configuration.reconnect.minimum = .milliseconds(1)
        configuration.credentialProvider = { _ in
            let number = attempts.withValue { attempts in
                attempts += 1
                return attempts
            }
            var credentials = Credentials(webSocketPath: "/mqtt?signature=\(number)")
            credentials.webSocketHeaders = [HTTPField("Authorization", "Bearer \(number)")]
            return credentials
        }
        let client = try MQTTClient(configuration)
        let run = Task { try await client.run() }
        for number in 1...2 {
            let peer = try await server.peer()
            let request = await peer.more().map { String(buffer: $0) } ?? ""
            #expect(request.hasPrefix("GET /mqtt?signature=\(number) HTTP/1.1\r\n"))
            #expect(request.contains("\r\nAuthorization: Bearer \(number)\r\n"))
            #expect(request.contains("\r\nX-Kept: yes\r\n"))
            #expect(!request.contains("none"))
            try await peer.close()
        }
        await client.close()
        try await run.value
        try await server.stop()
    }
}
