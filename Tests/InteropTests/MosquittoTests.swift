// The Mosquitto of the interop tests, tested with bytes from the standard instead of our own client.
import NIOCore
import NIOPosix
import Testing

@Suite("Mosquitto starts, stops and comes back", .mosquittoIsInstalled, .timeLimit(.minutes(1)))
struct MosquittoTests {
    @Test("It accepts a connection as soon as start returns")
    func starts() async throws {
        let mosquitto = try await Mosquitto()
        try await mosquitto.start()
        #expect(try await answer(to: connect(), of: mosquitto) == [0x20, 0x02, 0x00, 0x00])
        try await mosquitto.stop()
        #expect(mosquitto.processID == nil)
        await #expect(throws: (any Error).self) { try await answer(to: connect(), of: mosquitto) }
    }

    @Test("With persistence a session outlives a restart, on the same port", arguments: [true, false])
    func restarts(persistence: Bool) async throws {
        let mosquitto = try await Mosquitto(Mosquitto.Settings(persistence: persistence))
        try await mosquitto.start()
        let port = mosquitto.port
        #expect(try await answer(to: connect(), of: mosquitto) == [0x20, 0x02, 0x00, 0x00])
        try await mosquitto.restart()
        #expect(mosquitto.port == port)
        #expect(try await answer(to: connect(), of: mosquitto) == [0x20, 0x02, persistence ? 0x01 : 0x00, 0x00])
    }

    @Test("After a kill it comes back without what it had not saved")
    func killed() async throws {
        let mosquitto = try await Mosquitto()
        try await mosquitto.start()
        #expect(try await answer(to: connect(), of: mosquitto) == [0x20, 0x02, 0x00, 0x00])
        try await mosquitto.kill()
        try await mosquitto.start()
        #expect(try await answer(to: connect(), of: mosquitto) == [0x20, 0x02, 0x00, 0x00])
    }

    @Test("With passwords only those who know one get in")
    func passwords() async throws {
        let mosquitto = try await Mosquitto(Mosquitto.Settings(passwords: ["me": "secret"], accessRules: "user me\ntopic readwrite #\n"))
        try await mosquitto.start()
        #expect(try await answer(to: connect(), of: mosquitto) == [0x20, 0x02, 0x00, 0x05])
        #expect(try await answer(to: connect(user: "me", password: "wrong"), of: mosquitto) == [0x20, 0x02, 0x00, 0x05])
        #expect(try await answer(to: connect(user: "me", password: "secret"), of: mosquitto) == [0x20, 0x02, 0x00, 0x00])
    }

    @Test("A start that fails says what Mosquitto said")
    func broken() async throws {
        let mosquitto = try await Mosquitto(Mosquitto.Settings(moreLines: ["nonsense true"]))
        let failure = try await #require(throws: Mosquitto.Failure.self) { try await mosquitto.start() }
        #expect(failure.description.contains("nonsense"))
        #expect(mosquitto.processID == nil)
        await #expect(throws: Mosquitto.Failure.self) { try await mosquitto.stop() }
    }

    @Test("The process goes with the last reference")
    func abandoned() async throws {
        var mosquitto: Mosquitto? = try await Mosquitto()
        try await mosquitto?.start()
        let exit = try #require(mosquitto?.exit)
        mosquitto = nil
        #expect(await exit.value == 128 + 9)
    }
}

/// CONNECT of MQTT 3.1.1, section 3.1: client identifier "me", clean session 0, keep alive 60 s.
private func connect(user: String? = nil, password: String? = nil) -> [UInt8] {
    let flags: UInt8 = (user == nil ? 0 : 0x80) | (password == nil ? 0 : 0x40)
    let texts = ["me", user, password].compactMap { $0 }.flatMap { text -> [UInt8] in
        [0, UInt8(text.utf8.count)] + Array(text.utf8)
    }
    let rest: [UInt8] = [0x00, 0x04, 0x4D, 0x51, 0x54, 0x54, 0x04, flags, 0x00, 0x3C] + texts
    return [0x10, UInt8(rest.count)] + rest
}

/// The first four bytes that the broker sends back, which are the whole CONNACK.
private func answer(to bytes: [UInt8], of mosquitto: Mosquitto) async throws -> [UInt8] {
    let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .connect(host: Mosquitto.host, port: mosquitto.port) { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
    return try await channel.executeThenClose { inbound, outbound in
        try await outbound.write(ByteBuffer(bytes: bytes))
        var received: [UInt8] = []
        for try await buffer in inbound {
            received += Array(buffer.readableBytesView)
            if received.count >= 4 { break }
        }
        return received
    }
}
