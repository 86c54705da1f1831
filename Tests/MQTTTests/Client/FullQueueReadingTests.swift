import MQTT
import NIOCore
import Testing

/// What the driver's simulator found, by hand: topics behind what is dropped, and queues that would wait for themselves.
@Suite(.timeLimit(.minutes(1))) struct FullQueueReadingTests {
    @Test func aMessageBehindARepetitionKeepsItsTopic() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        let peer = try await server.accept(publishPacket("b", [1], qos: 2, id: 7))
        var iterator = client.messages.makeAsyncIterator()
        #expect(try await iterator.next()?.topic == "b")
        iterator.acknowledge()
        _ = try await peer.packet(0x50)
        let repetition = publishPacket("b", [1], qos: 2, id: 7, flags: 8)
        try await peer.send(publishPacket("a", [2], qos: 1, id: 1) + repetition + publishPacket("b", [3], qos: 1, id: 2))
        #expect(try await iterator.next()?.topic == "a")
        let last = try await iterator.next()
        #expect(last?.topic == "b" && last?.payload.buffer == ByteBuffer(bytes: [3]))
        await client.close()
        try await running
        try await server.stop()
    }

    /// A scope that came to nothing gives its messages back behind older ones, though those came back before.
    @Test func whatAScopeGivesBackKeepsItsPlace() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        let first = publishPacket("t", [1], qos: 2, id: 1) + publishPacket("t", [2], qos: 2, id: 2)
        let peer = try await server.accept(sessionPresent: true, first)
        var iterator: Messages.Iterator? = client.messages.makeAsyncIterator()
        #expect(try await iterator?.next()?.payload.buffer == ByteBuffer(bytes: [1]))
        let scope = Task { try await client.subscribe(to: "t") { _ in } }
        _ = try await peer.packet(0x80)
        try await peer.send(publishPacket("t", [3], qos: 2, id: 3))
        // Has come when the next ping is answered.
        async let pinged = client.ping()
        _ = try await peer.packet(0xC0)
        try await peer.send([0xD0, 0])
        _ = try await pinged
        iterator = nil
        scope.cancel()
        await #expect(throws: MQTTError.self) { try await scope.value }
        var next = client.messages.makeAsyncIterator()
        for expected in 1...3 { #expect(try await next.next()?.payload.buffer == ByteBuffer(bytes: [UInt8(expected)])) }
        await client.close()
        try await running
        try await server.stop()
    }

    @Test func aStreamedMessageDoesNotFillItsOwnQueue() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer) { $0.limits.receivedMessages = 1 })
        async let running: Void = client.run()
        let peer = try await server.accept()
        let count = 3 << 20
        async let sent: Void = peer.send(publishPacket("t", [UInt8](repeating: 5, count: count), qos: 1))
        var iterator = client.messages.makeAsyncIterator()
        let payload = try #require(try await iterator.next()).payload
        #expect(try await payload.collect(upTo: count).readableBytes == count)
        try await sent
        await client.close()
        try await running
        try await server.stop()
    }

    @Test func aScopeBeginsWhenItsQueueIsFullAheadOfTheAnswer() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer) { $0.limits.receivedMessages = 2 })
        async let running: Void = client.run()
        let peer = try await server.accept(sessionPresent: true)
        try await client.waitUntilOnline()
        async let sent: Void = {
            let subscribe = try await peer.packet(0x80)
            // More than is read at once.
            for _ in 0..<40 { try await peer.send(publishPacket("t", [UInt8](repeating: 5, count: 100_000), qos: 0)) }
            try await peer.send([0x90, 3, subscribe[2], subscribe[3], 0])
            let unsubscribe = try await peer.packet(0xA0)
            try await peer.send([0xB0, 2, unsubscribe[2], unsubscribe[3]])
        }()
        let count = try await client.subscribe(to: "t") { messages in
            var iterator = messages.makeAsyncIterator()
            for _ in 0..<40 { _ = try await iterator.next() }
            return 40
        }
        #expect(count == 40)
        await client.close()
        _ = try? await sent
        try await running
        try await server.stop()
    }

    /// What was granted beside it is given back: nobody asks for its messages.
    @Test func aFilterThatIsRefusedBehindAFullQueueEndsTheScope() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer) { $0.limits.receivedMessages = 2 })
        async let running: Void = client.run()
        let peer = try await server.accept(sessionPresent: true)
        try await client.waitUntilOnline()
        async let unsubscribed: [UInt8] = {
            let subscribe = try await peer.packet(0x80)
            for _ in 0..<40 { try await peer.send(publishPacket("t", [UInt8](repeating: 5, count: 100_000), qos: 0)) }
            try await peer.send([0x90, 4, subscribe[2], subscribe[3], 0, 0x80])
            let unsubscribe = try await peer.packet(0xA0)
            try await peer.send([0xB0, 2, unsubscribe[2], unsubscribe[3]])
            return unsubscribe
        }()
        let error = await failure {
            try await client.subscribe(to: [Subscription("t"), Subscription("u")]) { messages in for try await _ in messages {} }
        }
        #expect(error?.code == .subscribeFailed)
        let filters = try await Array(unsubscribed.dropFirst(4))
        #expect(filters.starts(with: [0, 1, 0x74]))
        await client.close()
        try await running
        try await server.stop()
    }

    /// A stream came with messages that are handed out before it, so nobody can have read it.
    @Test(arguments: [true, false])
    func aWaitAheadOfAStreamOfTheSameBatchIsTold(asBatches: Bool) async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        let peer = try await server.accept()
        let count = 3 << 20
        let stream = publishPacket("t", [UInt8](repeating: 5, count: count), qos: 0)
        async let sent: Void = peer.send(publishPacket("t", [1], qos: 0) + publishPacket("t", [2], qos: 0) + stream)
        var received = 0
        func wait() async {
            let error = await failure { try await client.ping() }
            #expect(error?.code == .deliveryStalled)
        }
        func take(_ message: Message) async throws {
            received += 1
            guard message.payload.isStreamed else { return await wait() }
            #expect(try await message.payload.collect(upTo: count).readableBytes == count)
        }
        if asBatches {
            var batches = client.messages.batches.makeAsyncIterator()
            while received < 3, let batch = try await batches.next() { for message in batch { try await take(message) } }
        } else {
            var messages = client.messages.makeAsyncIterator()
            while received < 3, let message = try await messages.next() { try await take(message) }
        }
        try await sent
        await client.close()
        try await running
        try await server.stop()
    }

    /// The loss of the session keeps what it would have sent again, and not the copies from before.
    @Test func whatCameAgainIsHandedOverOnceWhenTheSessionIsLostAfterwards() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        func publishes(flags: UInt8) -> [UInt8] {
            (1...3).flatMap { publishPacket("t", [$0], qos: 1, id: UInt16($0), flags: flags) }
        }
        func pings(_ peer: Peer) async throws {
            async let ping = client.ping()
            _ = try await peer.packet(0xC0)
            try await peer.send([0xD0, 0])
            _ = try await ping
        }
        let first = try await server.accept(publishes(flags: 0))
        var iterator = client.messages.makeAsyncIterator()
        #expect(try await iterator.next()?.payload.buffer == ByteBuffer(bytes: [1]))
        try await first.close()
        let second = try await server.accept(sessionPresent: true, publishes(flags: 8))
        try await pings(second)
        try await second.close()
        try await pings(try await server.accept())
        for number in 1...3 { #expect(try await iterator.next()?.payload.buffer == ByteBuffer(bytes: [UInt8(number)])) }
        await client.close()
        #expect(try await iterator.next() == nil)
        try await running
        try await server.stop()
    }
}
