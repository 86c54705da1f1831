import Foundation
import MQTT
import MQTTTesting
import NIOCore
import Testing

/// Payloads that are larger than the memory they may take.
@Suite(.timeLimit(.minutes(2)), .serialized) struct StreamingTests {
    @Test(arguments: [QoS.atMostOnce, .atLeastOnce, .exactlyOnce])
    func thereAndBack(qos: QoS) async throws {
        let count = 64 << 20
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                try await client.subscribe(to: "big") { messages in
                    try await client.publish(Payload(source: Pattern(count: count)), to: "big", qos)
                    var iterator = messages.makeAsyncIterator()
                    let payload = try #require(try await iterator.next()).payload
                    #expect(payload.isStreamed && payload.count == count && payload.buffer == nil)
                    var offset = 0
                    for try await chunk in payload.chunks {
                        // The whole comparison takes long; the edges of each chunk show any loss or repetition.
                        for place in [0, chunk.readableBytes - 1] {
                            #expect(chunk.readableBytesView[place] == Pattern.bytes(offset + place..<offset + place + 1)[0])
                        }
                        offset += chunk.readableBytes
                    }
                    #expect(offset == count)
                }
            }
        }
    }

    @Test func memoryDoesNotGrowWithTheSize() async throws {
        let count = 64 << 20
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        let peer = try await server.accept()
        try await client.waitUntilOnline()
        let before = try residentMemory()
        let chunk = ByteBuffer(bytes: [UInt8](repeating: 5, count: 64 << 10))
        async let sent: Void = {
            try await peer.send(publishHead("in", payloadLength: count))
            for _ in 0..<count / chunk.readableBytes { try await peer.channel.writeAndFlush(chunk) }
        }()
        var iterator = client.messages.makeAsyncIterator()
        let payload = try #require(try await iterator.next()).payload
        var received = 0
        for try await chunk in payload.chunks { received += chunk.readableBytes }
        try await sent
        #expect(received == count)
        try await client.publish(Payload(source: Constant(count: count)), to: "out")
        var left = publishHead("out", payloadLength: count).count + count
        while left > 0, let bytes = await peer.more() { left -= bytes.readableBytes }
        #expect(left == 0)
        #expect(try residentMemory() - before < 32 << 10)
        await client.close()
        try await running
        try await server.stop()
    }

    @Test func notReadingSkips() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                try await client.subscribe(to: "t") { messages in
                    for qos in [QoS.atMostOnce, .atLeastOnce, .exactlyOnce] {
                        try await client.publish(Payload(source: Pattern(count: 1 << 20)), to: "t", qos)
                        try await client.publish("next", to: "t", qos)
                        var iterator = messages.makeAsyncIterator()
                        let big = try await iterator.next()
                        #expect(big?.payload.count == 1 << 20)
                        #expect(try await iterator.next()?.payload.string == "next")
                        // What was skipped is no silent end.
                        #expect(await failure { _ = try await big?.payload.collect(upTo: 1 << 20) }?.code == .payloadUnavailable)
                        // Acknowledges the one before: nothing is there to be given back.
                        let end = Task { try await client.ping() }
                        _ = try await end.value
                        try await client.publish("last", to: "t", .atMostOnce)
                        #expect(try await iterator.next()?.payload.string == "last")
                    }
                }
            }
        }
    }

    @Test func severalSequencesReadAStreamEachForItself() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
                async let reading = client.subscribe(to: "t/+") { messages in
                    isReady.yield()
                    var iterator = messages.makeAsyncIterator()
                    return try await iterator.next()?.payload.collect(upTo: 1 << 20)
                }
                for await _ in ready { break }
                let skipped = try await client.subscribe(to: "t/a") { messages in
                    try await client.publish(Payload(source: Pattern(count: 1 << 20)), to: "t/a", .atLeastOnce)
                    var iterator = messages.makeAsyncIterator()
                    return try await iterator.next()?.payload.count
                }
                #expect(skipped == 1 << 20)
                #expect(try await reading.map { Array($0.readableBytesView) } == Pattern.bytes(0..<1 << 20))
            }
        }
    }

    @Test(arguments: [UInt8(1), 2])
    func aPayloadThatBreaksOffComesAgain(qos: UInt8) async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        let payload = Pattern.bytes(0..<600_000)
        let first = try await server.accept(
            sessionPresent: false, publishHead("t", payloadLength: payload.count, qos: qos, id: 3) + payload[..<100_000])
        var iterator = client.messages.makeAsyncIterator()
        let broken = try #require(try await iterator.next())
        try await first.close()
        let error = await failure { _ = try await broken.payload.collect(upTo: payload.count) }
        #expect(error?.code == .connectionLost && error?.fate == .unknown)
        let second = try await server.accept(
            sessionPresent: true, publishHead("t", payloadLength: payload.count, qos: qos, id: 3, flags: 8) + payload)
        let whole = try await iterator.next()
        #expect(try await whole?.payload.collect(upTo: payload.count) == ByteBuffer(bytes: payload))
        let next = Task { try? await client.messages.texts(1) }
        next.cancel()
        _ = await next.value
        async let end = iterator.next()
        #expect(try await second.packet() == [qos == 1 ? 0x40 : 0x50, 2, 0, 3])
        await client.close()
        #expect(try await end == nil)
        try await running
        try await server.stop()
    }

    @Test(arguments: [QoS.atMostOnce, .atLeastOnce, .exactlyOnce])
    func aSourceThatFailsMidwayEndsItsPublishAlone(qos: QoS) async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                let before = try client.submit("before", to: "t", .atLeastOnce)
                let failing = try client.submit(Payload(source: Failing()), to: "t", qos)
                let after = try client.submit("after", to: "t", .exactlyOnce)
                let error = await failure { _ = try await failing.completed }
                #expect(error?.code == (qos == .atMostOnce ? .submissionInterrupted : .payloadUnavailable))
                #expect(error?.fate == (qos == .atMostOnce ? .unknown : .notSent))
                _ = try await before.completed
                _ = try await after.completed
            }
            let texts = try await broker.received.map { String(decoding: $0.payload, as: UTF8.self) }
            #expect(Set(texts) == ["before", "after"])
        }
    }

    private func residentMemory() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return Int(line?.split(separator: " ").dropFirst().first ?? "") ?? 0
    }
}

private struct Failing: PayloadSource {
    struct Failure: Error {}
    let count = 1 << 20

    func read(at offset: Int, count: Int) async throws -> ByteBuffer {
        if offset > 0 { throw Failure() }
        return ByteBuffer(repeating: 1, count: count)
    }
}

private struct Constant: PayloadSource {
    let count: Int

    func read(at offset: Int, count: Int) async throws -> ByteBuffer { ByteBuffer(repeating: 1, count: count) }
}
