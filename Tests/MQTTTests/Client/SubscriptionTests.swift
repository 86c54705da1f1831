import MQTT
import MQTTTesting
import Testing

/// Scoped subscriptions, the sequence of everything unclaimed, and who acknowledges what.
@Suite(.timeLimit(.minutes(1))) struct SubscriptionTests {
    @Test func aNormalExitAcknowledgesAndUnsubscribes() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        async let scope = client.subscribe(to: "a") { try await $0.texts(2) }
        let peer = try await server.accept()
        let subscribe = try await peer.packet()
        #expect(subscribe[0] == 0x82 && Array(subscribe[4...]) == [0, 1, UInt8(ascii: "a"), 2])
        // A retained message may come ahead of SUBACK.
        let messages =
            publishPacket("a", [UInt8(ascii: "1")], qos: 1, id: 7, flags: 1) + publishPacket("a", [UInt8(ascii: "2")], qos: 1, id: 8)
        try await peer.send(messages + publishPacket("a", [UInt8(ascii: "3")], qos: 1, id: 9))
        try await peer.send([0x90, 3, subscribe[2], subscribe[3], 2])
        var acknowledged: [UInt8] = []
        var unsubscribe: [UInt8] = []
        while acknowledged.count < 4 || unsubscribe.isEmpty {
            let packet = try await peer.packet()
            switch packet[0] {
            case 0x40:
                acknowledged.append(packet[3])
                // What still comes before UNSUBACK is nobody's, and blocks nothing.
                if acknowledged.count == 3 { try await peer.send(publishPacket("a", [UInt8(ascii: "4")], qos: 1, id: 10)) }
            case 0xA2: unsubscribe = packet
            default: Issue.record("\(packet)")
            }
        }
        #expect(acknowledged == [7, 8, 9, 10])
        try await peer.send([0xB0, 2, unsubscribe[2], unsubscribe[3]])
        #expect(try await scope == ["1", "2"])
        await client.close()
        try await running
        try await server.stop()
    }

    @Test(arguments: [false, true])
    func anErrorOrCancellationDoesNeitherAndGivesTheMessagesBack(byCancellation: Bool) async throws {
        struct Stop: Error {}
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                let first = LockedBox("")
                let reached = AsyncStream.makeStream(of: Void.self)
                let scope = Task {
                    try await client.subscribe(to: "a/+") { messages in
                        for number in 1...3 { _ = try await client.publish(Payload("\(number)"), to: "a/b", .atLeastOnce).completed }
                        var iterator = messages.makeAsyncIterator()
                        let message = try await iterator.next()
                        first.withValue { $0 = message?.payload.string ?? "" }
                        if !byCancellation { throw Stop() }
                        reached.continuation.yield()
                        while !Task.isCancelled { await Task.yield() }
                        try Task.checkCancellation()
                    }
                }
                if byCancellation {
                    for await _ in reached.stream { break }
                    scope.cancel()
                }
                await #expect(throws: (any Error).self) { try await scope.value }
                #expect(first.value == "1")
                // Not acknowledged: they are there for whoever comes next, and the broker still has the subscription.
                try await client.publish("4", to: "a/c", .atLeastOnce)
                #expect(try await client.messages.texts(4) == ["1", "2", "3", "4"])
            }
        }
    }

    @Test func messagesGivenBackWakeWhoWaitsForThem() async throws {
        struct Stop: Error {}
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                async let unclaimed = client.messages.texts(1)
                await #expect(throws: Stop.self) {
                    try await client.subscribe(to: "a") { messages in
                        try await client.publish("x", to: "a", .atLeastOnce)
                        var iterator = messages.makeAsyncIterator()
                        _ = try await iterator.next()
                        throw Stop()
                    }
                }
                #expect(try await unclaimed == ["x"])
            }
        }
    }

    @Test func overlappingScopesShareAMessageUntilBothReleasedIt() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        let peer = try await server.accept()
        try await client.waitUntilOnline()
        let (released, release) = AsyncStream.makeStream(of: Void.self)
        async let wide: Void = client.subscribe(to: "a/#") { messages in
            var iterator = messages.makeAsyncIterator()
            #expect(try await iterator.next()?.payload.string == "x")
            for await _ in released { break }
            _ = try await iterator.next()
        }
        let first = try await peer.packet()
        async let narrow: Void = client.subscribe(to: "a/b") { messages in
            var iterator = messages.makeAsyncIterator()
            #expect(try await iterator.next()?.payload.string == "x")
            #expect(try await iterator.next()?.payload.string == "y")
            _ = try await iterator.next()
        }
        let second = try await peer.packet()
        try await peer.send([0x90, 3, first[2], first[3], 2, 0x90, 3, second[2], second[3], 2])
        try await peer.send(publishPacket("a/b", [UInt8(ascii: "x")], qos: 1, id: 1))
        try await peer.send(publishPacket("a/b", [UInt8(ascii: "y")], qos: 1, id: 2))
        // Both are with `narrow`, and `wide` still has the first. A ping shows that no acknowledgement is ahead of it.
        async let ping = client.ping()
        #expect(try await peer.packet() == [0xC0, 0])
        try await peer.send([0xD0, 0])
        _ = try await ping
        release.finish()
        #expect(try await peer.packet(0x40) == [0x40, 2, 0, 1])
        await client.close()
        _ = try await (running, wide, narrow)
        try await server.stop()
    }

    @Test func aRefusedFilterNamesAllGrantsAndLeavesNothingSubscribed() async throws {
        try await withBroker {
            $0.broker.deniedFilters = ["secret"]
        } _: { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                let scoped = await failure { try await client.subscribe(to: "open", "secret") { _ in _ = Issue.record("not subscribed") } }
                #expect(scoped?.code == .subscribeFailed && scoped?.fate == .refusedByBroker)
                #expect(scoped?.grants.map(\.qos) == [.exactlyOnce, nil])
                _ = try await client.publish("nobody's", to: "open", .atLeastOnce).completed
                let unscoped = await failure {
                    try await client.subscribe(to: [Subscription("secret"), Subscription("open", atMost: .atLeastOnce)])
                }
                #expect(unscoped?.grants.map(\.qos) == [nil, .atLeastOnce])
                _ = try await client.publish("mine", to: "open", .exactlyOnce).completed
                #expect(try await client.messages.texts(1) == ["mine"])
            }
        }
    }

    @Test func aScopeThatEndsDoesNotTakeTheFilterFromOneThatBegins() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                for round in 0..<50 {
                    async let ending: Void = client.subscribe(to: "t") { _ in }
                    async let beginning = client.subscribe(to: "t") { messages in
                        try await client.publish(Payload("\(round)"), to: "t", .atLeastOnce)
                        return try await messages.texts(1)
                    }
                    try await ending
                    #expect(try await beginning == ["\(round)"])
                }
            }
        }
    }

    @Test func theFirstConnectSubscribesOnce() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let scope: Void = client.subscribe(to: "a") { _ in }
        async let running: Void = client.run()
        let peer = try await server.accept()
        let subscribe = try await peer.packet()
        try await peer.send([0x90, 3, subscribe[2], subscribe[3], 2])
        let unsubscribe = try await peer.packet()
        #expect(unsubscribe[0] == 0xA2)
        try await peer.send([0xB0, 2, unsubscribe[2], unsubscribe[3]])
        try await scope
        await client.close()
        try await running
        try await server.stop()
    }

    @Test func oneIteratorAtATime() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                await withTaskGroup(of: MQTTError?.self) { group in
                    for _ in 0..<2 { group.addTask { await failure { _ = try await client.messages.texts(1) } } }
                    let second = await group.next()
                    #expect(second??.code == .invalidArgument)
                    group.cancelAll()
                    let first = await group.next()
                    #expect(first??.code == .canceled)
                }
            }
        }
    }
}
