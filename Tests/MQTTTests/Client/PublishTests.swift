import MQTT
import MQTTTesting
import NIOCore
import Testing

/// Publishing at all levels, in order, in batches, and what is refused.
@Suite(.timeLimit(.minutes(1))) struct PublishTests {
    @Test(arguments: [QoS.atMostOnce, .atLeastOnce, .exactlyOnce])
    func levels(qos: QoS) async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                for number in 0..<500 { try await client.publish(Payload("\(number)"), to: "a/b", qos) }
                _ = try await client.publish("last", to: "a/b", qos).completed
            }
            try await broker.wait { $0.receivedCount == 501 }
            let received = try await broker.received
            #expect(received.map(\.payload) == (0..<500).map { Array("\($0)".utf8) } + [Array("last".utf8)])
            #expect(received.allSatisfy { $0.qos == qos.rawValue && $0.topic == "a/b" && !$0.retain && !$0.isDuplicate })
        }
    }

    /// Small packets, larger ones and slices wait in memory of different kinds: they go out in one order all the same.
    @Test(arguments: [QoS.atMostOnce, .atLeastOnce], [true, false])
    func sizesOfAllKindsKeepTheirOrder(qos: QoS, asBuffer: Bool) async throws {
        let sizes = [0, 1, 16, 127, 128, 129, 1_000, 2_047, 2_048, 2_049, 9_000, 70_000]
        // Each after each other one, and runs of each.
        let order = sizes.indices.flatMap { first in sizes.indices.flatMap { second in [first, second, second] } }
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                for (number, index) in order.enumerated() {
                    let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: sizes[index])
                    let topic = number % 3 == 0 ? "a/topic/that/is/longer/than/a/few/bytes" : "t"
                    try await client.publish(asBuffer ? Payload(ByteBuffer(bytes: bytes)) : Payload(bytes: bytes), to: topic, qos)
                }
            }
            try await broker.wait { $0.receivedCount == order.count }
            let received = try await broker.received
            let wanted = order.enumerated().map { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: sizes[$1]) }
            #expect(received.map(\.payload) == wanted)
        }
    }

    /// What waits in memory is not written over by what comes behind it, however long the connection takes for it.
    @Test(arguments: [QoS.atMostOnce, .atLeastOnce])
    func whatWaitsStaysAsItIs(qos: QoS) async throws {
        let count = 9_000
        func payload(_ number: Int) -> [UInt8] {
            Array("\(number) ".utf8) + [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: number % 700)
        }
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker) { $0.drainTimeout = .seconds(50) })
            try await client.run { client in
                try await client.waitUntilOnline()
                for number in 0..<count { try await client.publish(Payload(bytes: payload(number)), to: "t/\(number % 2)", qos) }
            }
            try await broker.wait { $0.receivedCount == count }
            let received = try await broker.received
            let wrong = received.indices.first { received[$0].payload != payload($0) || received[$0].topic != "t/\($0 % 2)" }
            #expect(wrong == nil, "\(wrong.map { "\(received[$0])" } ?? "")")
        }
    }

    /// Strings are equal however they are composed; on the wire the bytes count.
    @Test(arguments: [QoS.atMostOnce, .atLeastOnce])
    func equalTopicsGoOutAsTheyAre(qos: QoS) async throws {
        // The last two are equal to Swift, have as many bytes, and are not the same.
        let topics = ["k/K", "\u{212A}/K", "a\u{0323}\u{0307}", "a\u{0307}\u{0323}"]
        let order = topics + topics.reversed() + topics
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                for topic in order { try await client.publish("x", to: topic, qos) }
            }
            try await broker.wait { $0.receivedCount == order.count }
            let received = try await broker.received
            #expect(received.map { Array($0.topic.utf8) } == order.map { Array($0.utf8) })
        }
    }

    @Test func callOrderOfManyTasks() async throws {
        try await withBroker { broker in
            // A sanitizer takes its time.
            let client = try MQTTClient(settings(broker) { $0.drainTimeout = .seconds(50) })
            try await client.run { client in
                try await client.waitUntilOnline()
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for task in 0..<16 {
                        group.addTask {
                            for number in 0..<100 {
                                _ = try client.submit(Payload("\(number)"), to: "t/\(task)", number % 2 == 0 ? .atLeastOnce : .exactlyOnce)
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            let received = try await broker.received
            #expect(received.count == 1600)
            for task in 0..<16 {
                for qos in [UInt8(1), 2] {
                    let numbers = received.filter { $0.topic == "t/\(task)" && $0.qos == qos }.compactMap {
                        Int(String(decoding: $0.payload, as: UTF8.self))
                    }
                    #expect(numbers == numbers.sorted() && numbers.count == 50)
                }
            }
        }
    }

    @Test func batch() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                let batch = (0..<30).map { Publication(Payload("\($0)"), to: "batch", QoS(rawValue: UInt8($0 % 3)) ?? .atMostOnce) }
                let deliveries = try client.submit(contentsOf: batch)
                #expect(deliveries.count == 30)
                for delivery in deliveries { _ = try await delivery.completed }
                #expect(deliveries.filter { $0.id == nil }.count == 10)
                // The order of acceptance, which begins anywhere.
                let ids = deliveries.compactMap(\.id)
                #expect(ids == ids.indices.map { ids[0] + UInt64($0) })
            }
            try await broker.wait { $0.receivedCount == 30 }
        }
    }

    @Test func aBatchWithAnInvalidPublicationSendsNothing() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                let error = await failure {
                    _ = try client.submit(contentsOf: [Publication("x", to: "good", .atLeastOnce), Publication("x", to: "ba#d")])
                }
                #expect(error?.code == .invalidArgument && error?.fate == .denied)
                try await client.ping()
            }
            #expect(try await broker.received.isEmpty)
        }
    }

    @Test func retainedAndCleared() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                _ = try await client.publish("kept", to: "r", .atLeastOnce, retain: true).completed
                try await client.subscribe(to: "r") { messages in
                    var iterator = messages.makeAsyncIterator()
                    let message = try await iterator.next()
                    #expect(message?.payload.string == "kept" && message?.retain == true)
                }
                _ = try await client.clearRetained("r").completed
                try await client.subscribe(to: "r") { messages in
                    try await client.publish("live", to: "r", .atLeastOnce)
                    #expect(try await messages.texts(1) == ["live"])
                }
            }
        }
    }

    @Test func payloadsOfAllKinds() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            let large = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
            let payloads: [(Payload, [UInt8])] = [
                ("literal", Array("literal".utf8)), (Payload("20.8\u{2103}"), Array("20.8\u{2103}".utf8)),
                (Payload(bytes: [1, 2, 3]), [1, 2, 3]),
                (Payload(ByteBuffer(bytes: large)), large), (.empty, []),
                (Payload(source: Pattern(count: 600_000)), Pattern.bytes(0..<600_000)),
                (Payload(source: Pattern(count: 0)), []),
            ]
            try await client.run { client in
                try await client.waitUntilOnline()
                for qos in [QoS.atMostOnce, .atLeastOnce, .exactlyOnce] {
                    for (payload, _) in payloads { _ = try await client.publish(payload, to: "p", qos).completed }
                }
            }
            try await broker.wait { $0.receivedCount == 3 * payloads.count }
            #expect(try await broker.received.map(\.payload) == Array(repeating: payloads.map(\.1), count: 3).flatMap(\.self))
        }
    }

    @Test func zeroDisablesALevel() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(
                settings(broker) {
                    $0.limits.atLeastOnce = 0
                    $0.limits.exactlyOnce = 1
                })
            let refused = await failure { _ = try client.submit("x", to: "t", .atLeastOnce) }
            #expect(refused?.code == .invalidArgument && refused?.fate == .denied)
            _ = try client.submit("x", to: "t", .exactlyOnce)
            let full = await failure { _ = try client.submit("x", to: "t", .exactlyOnce) }
            #expect(full?.code == .tooManyRequests && full?.fate == .notSent)
        }
    }

    @Test func queuedBytesAreBounded() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker) { $0.limits.queuedBytes = 10 })
            let delivery = try client.submit(Payload(bytes: [UInt8](repeating: 0, count: 8)), to: "t", .atLeastOnce)
            let full = await failure { _ = try client.submit("123", to: "t", .exactlyOnce) }
            #expect(full?.code == .tooManyRequests)
            #expect(delivery.withdraw())
            _ = try client.submit("123", to: "t", .exactlyOnce)
            _ = try client.submit(Payload(source: Pattern(count: 1 << 20)), to: "t", .exactlyOnce)
        }
    }

    @Test func anOfflineClientRefusesQoS0AndAnEndedOneAll() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            let down = await failure { _ = try client.submit("x", to: "t") }
            #expect(down?.code == .down && down?.fate == .notSent)
            await client.close()
            for qos in [QoS.atMostOnce, .atLeastOnce, .exactlyOnce] {
                let closed = await failure { try await client.publish("x", to: "t", qos) }
                #expect(closed?.code == .closed && closed?.fate == .notSent)
            }
        }
    }

    @Test func aQoS0PublishWaitsForTheAttemptUnderWayAndSendsNothingElse() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        async let published = client.publish("x", to: "t")
        let peer = try await server.accept()
        #expect(try await peer.packet() == publishPacket("t", Array("x".utf8)))
        _ = try await published
        await client.close()
        try await running
        try await server.stop()
    }

    @Test func aQoS0PublishFailsWithTheAttempt() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        async let error = failure { try await client.publish("x", to: "t") }
        try await server.peer().close()
        #expect(await error?.code == .down)
        #expect(await error?.fate == .notSent)
        await client.close()
        try await running
        try await server.stop()
    }
}

/// Bytes that are a function of their place.
struct Pattern: PayloadSource {
    let count: Int

    func read(at offset: Int, count: Int) async throws -> ByteBuffer { ByteBuffer(bytes: Self.bytes(offset..<offset + count)) }

    static func bytes(_ range: Range<Int>) -> [UInt8] { range.map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }
}
