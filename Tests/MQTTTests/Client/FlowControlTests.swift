import MQTT
import MQTTTesting
import NIOCore
import NIOEmbedded
import Testing

/// Bounded in both directions: what waits, what stops, and what goes on meanwhile.
@Suite(.timeLimit(.minutes(1))) struct FlowControlTests {
    @Test func aSlowConsumerStopsReadingAndNothingIsLost() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(
                settings(broker) {
                    $0.limits.receivedMessages = 10
                    $0.limits.receivedBytes = 1 << 20
                })
            let sender = try MQTTClient(settings(broker, "sender"))
            try await sender.run { sender in
                try await client.run { client in
                    try await client.waitUntilOnline()
                    try await client.subscribe(to: [Subscription("t")])
                    for number in 0..<2_000 { _ = try sender.submit(Payload("\(number)"), to: "t", .atLeastOnce) }
                    #expect(try await client.messages.texts(2_000) == (0..<2_000).map(String.init))
                }
            }
        }
    }

    @Test func keepAliveGoesOnWhileNothingIsRead() async throws {
        let link = VirtualLink()
        let client = try MQTTClient(
            settings(dialer: link) {
                $0.limits.receivedMessages = 1
                $0.keepAlive = .seconds(20)
                $0.unclaimed.grace = .seconds(86_400)
            }, eventLoopGroup: link.loop)
        async let running: Void = client.run()
        let channel = try await link.accept()
        try await client.waitUntilOnline()
        try await channel.writeInbound(ByteBuffer(bytes: publishPacket("t", [1])))
        try await link.settle()
        // Nobody answers, and nobody is expected to: the answers are not read.
        for _ in 0..<10 {
            await link.loop.advanceTime(by: .seconds(15))
            #expect(try await channel.readOutbound(as: ByteBuffer.self) == ByteBuffer(bytes: [0xC0, 0]))
        }
        let states = client.connectionStates
        var iterator = client.messages.makeAsyncIterator()
        #expect(try await iterator.next()?.payload.count == 1)
        // It reads again when the next one is asked for, and from then on silence counts.
        async let end = iterator.next()
        try await link.settle()
        var seen = states.makeAsyncIterator()
        guard case .online = await seen.next() else {
            Issue.record("not online")
            return
        }
        async let offline = seen.next()
        for _ in 0..<3 { await link.loop.advanceTime(by: .seconds(10)) }
        guard case .offline(let error) = await offline else {
            Issue.record("still online")
            return
        }
        #expect(error.code == .connectionLost)
        async let closing: Void = client.close()
        try await link.settle()
        _ = try await (closing, running, end)
    }

    @Test func aQoS0PublisherWaitsWhileTheBufferIsFull() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer) { $0.limits.outboundBytes = 1_000 })
        async let running: Void = client.run()
        let peer = try await server.accept()
        try await client.waitUntilOnline()
        try await peer.channel.setOption(.autoRead, value: false).get()
        // More than the operating system takes: the first one is being written, the second one waits.
        let payload = Payload(bytes: [UInt8](repeating: 7, count: 12 << 20))
        var accepted = 0
        while accepted < 2 {
            if await failure({ _ = try client.submit(payload, to: "t") }) == nil { accepted += 1 } else { await Task.yield() }
        }
        let refusal = await failure { _ = try client.submit(payload, to: "t") }
        #expect(refusal?.code == .tooManyRequests && refusal?.fate == .notSent)
        let canceled = Task { await failure { try await client.publish(payload, to: "t") } }
        canceled.cancel()
        #expect(await canceled.value?.code == .canceled)
        let waiting = Task { try await client.publish("last", to: "t") }
        try await peer.channel.setOption(.autoRead, value: true).get()
        _ = try await waiting.value
        let last = publishPacket("t", Array("last".utf8))
        var left = 2 * (publishHead("t", payloadLength: payload.count).count + payload.count) + last.count
        var end: [UInt8] = []
        while left > 0, let bytes = await peer.more() {
            left -= bytes.readableBytes
            let tail = min(last.count, bytes.readableBytes)
            end = (end + (bytes.getBytes(at: bytes.writerIndex - tail, length: tail) ?? [])).suffix(last.count)
        }
        #expect(left == 0 && end == last)
        await client.close()
        try await running
        try await server.stop()
    }

    @Test func aHandlerMayAwaitItsOwnPublishWhileTheQueueIsNotFull() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                try await client.subscribe(to: "q") { messages in
                    for number in 0..<20 { _ = try client.submit(Payload("\(number)"), to: "q", .exactlyOnce) }
                    var count = 0
                    for try await message in messages {
                        _ = try await client.publish(message.payload, to: "answer", .exactlyOnce).completed
                        try await client.ping()
                        count += 1
                        if count == 20 { break }
                    }
                }
            }
        }
    }

    @Test func aHandlerThatKeepsItsOwnAnswerOutIsTold() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker) { $0.limits.receivedMessages = 2 })
            let sender = try MQTTClient(settings(broker, "sender"))
            try await sender.run { sender in
                try await client.run { client in
                    try await client.waitUntilOnline()
                    let deliveries = try await client.subscribe(to: "q") { messages in
                        for number in 0..<10 { _ = try await sender.publish(Payload("\(number)"), to: "q", .atLeastOnce).completed }
                        var iterator = messages.makeAsyncIterator()
                        _ = try await iterator.next()
                        var deliveries: [Delivery] = []
                        // Full, now or as soon as more is read.
                        var error: MQTTError?
                        for _ in 0..<10 where error == nil {
                            let delivery = try client.submit("x", to: "answer", .atLeastOnce)
                            deliveries.append(delivery)
                            error = await failure { _ = try await delivery.completed }
                        }
                        #expect(error?.code == .deliveryStalled && error?.fate == .kept)
                        let ping = await failure { try await client.ping() }
                        #expect(ping?.code == .deliveryStalled && ping?.fate == .unknown)
                        for number in 1..<10 { #expect(try await iterator.next()?.payload.string == "\(number)") }
                        return deliveries
                    }
                    for delivery in deliveries { _ = try await delivery.completed }
                }
            }
        }
    }

    @Test func aHandlerThatLeavesAStreamAloneIsTold() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                try await client.subscribe(to: "big") { messages in
                    _ = try client.submit(Payload(source: Pattern(count: 8 << 20)), to: "big", .atLeastOnce)
                    var iterator = messages.makeAsyncIterator()
                    guard let message = try await iterator.next() else {
                        Issue.record("no message")
                        return
                    }
                    #expect(message.payload.isStreamed)
                    let delivery = try client.submit("x", to: "answer", .atLeastOnce)
                    #expect(await failure { _ = try await delivery.completed }?.code == .deliveryStalled)
                    #expect(try await message.payload.collect(upTo: 8 << 20).readableBytes == 8 << 20)
                    _ = try await delivery.completed
                }
            }
        }
    }

    @Test func aSlowConsumerDoesNotKeepTheClientOffline() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker) { $0.limits.receivedMessages = 1 })
            try await client.run { client in
                try await client.waitUntilOnline()
                try await client.subscribe(to: [Subscription("t")])
                try await client.publish("0", to: "t")
                var states = client.connectionStates.makeAsyncIterator()
                _ = await states.next()
                // The message is there, so that nothing is read; and nobody asks for it.
                var iterator = client.messages.makeAsyncIterator()
                _ = try await iterator.next()
                try await broker.cutConnections()
                while let state = await states.next() { if case .online = state { break } }
            }
        }
    }

    @Test(arguments: [UnclaimedPolicy.Action.acknowledge, .endConnection])
    func unclaimedMessagesDoNotSilenceTheClient(action: UnclaimedPolicy.Action) async throws {
        let link = VirtualLink()
        let client = try MQTTClient(
            settings(dialer: link) {
                $0.unclaimed.grace = .seconds(30)
                $0.unclaimed.action = action
                $0.limits.receivedMessages = 2
                $0.keepAlive = .zero
            }, eventLoopGroup: link.loop)
        async let running: Void = client.run()
        let channel = try await link.accept()
        try await client.waitUntilOnline()
        var states = client.connectionStates.makeAsyncIterator()
        _ = await states.next()
        let messages = publishPacket("stale/topic", [1], qos: 1, id: 1) + publishPacket("stale/topic", [2], qos: 1, id: 2)
        try await channel.writeInbound(ByteBuffer(bytes: messages))
        await link.loop.advanceTime(by: .seconds(29))
        #expect(try await channel.readOutbound(as: ByteBuffer.self) == nil)
        await link.loop.advanceTime(by: .seconds(1))
        try await link.settle()
        switch action {
        case .acknowledge:
            let acknowledged = try await channel.readOutbound(as: ByteBuffer.self)
            #expect(acknowledged == ByteBuffer(bytes: [0x40, 2, 0, 1, 0x40, 2, 0, 2]))
        case .endConnection:
            guard case .offline(let error) = await states.next() else {
                Issue.record("still online")
                return
            }
            #expect(error.message.contains("stale/topic"))
        }
        async let closing: Void = client.close()
        try await link.settle()
        _ = try await (closing, running)
    }

    @Test func requestsWaitForTheAttemptOrDoNot() async throws {
        let server = try await ScriptedBroker.start()
        let impatient = try MQTTClient(settings(dialer: server.dialer, "impatient") { $0.requestsWait = false })
        #expect(await failure { try await impatient.ping() }?.code == .down)
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        async let ping = failure { try await client.ping() }
        try await server.peer().close()
        #expect(await ping?.code == .down)
        let timedOut = await failure { try await client.ping(timeout: .zero) }
        #expect(timedOut?.code == .canceled && timedOut?.fate == .notSent)
        let peer = try await server.accept()
        try await client.waitUntilOnline()
        let task = Task { await failure { try await client.unsubscribe(from: ["a"]) } }
        _ = try await peer.packet(0xA0)
        task.cancel()
        let abandoned = await task.value
        #expect(abandoned?.code == .abandoned && abandoned?.fate == .unknown)
        let sent = Task { await failure { try await client.unsubscribe(from: ["a"]) } }
        _ = try await peer.packet(0xA0)
        await client.close()
        let closed = await sent.value
        #expect(closed?.code == .closed && closed?.fate == .unknown)
        try await running
        try await server.stop()
    }
}
