import MQTT
import MQTTTesting
import Testing

/// Flaws of other clients, by their numbers in the field report, that a driver could have.
@Suite(.timeLimit(.minutes(1))) struct FieldTests {
    @Test func flaw1AcceptedMessagesGoOutAgainAfterTheSessionWasLost() async throws {
        try await withBroker {
            $0.faults.add(.swallowAcknowledgements(100), on: .connection(1))
        } _: { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                let deliveries = try (0..<10).map {
                    try client.submit(Payload("\($0)"), to: "t", $0 % 2 == 0 ? .atLeastOnce : .exactlyOnce)
                }
                try await broker.wait { $0.receivedCount == 10 }
                try await broker.dropSessions()
                for delivery in deliveries { _ = try await delivery.completed }
            }
            let numbers = try await broker.received.suffix(10).map { String(decoding: $0.payload, as: UTF8.self) }
            #expect(numbers == (0..<10).map(String.init))
        }
    }

    @Test func flaw2MessagesBeforeAnyHandlerAreHeld() async throws {
        try await withBroker { broker in
            try await MQTTClient(settings(broker, "held")).run { client in
                try await client.waitUntilOnline()
                try await client.subscribe(to: [Subscription("t/#")])
            }
            for number in 1...3 { try await broker.publish(Array("\(number)".utf8), to: "t/\(number)", qos: 1) }
            try await MQTTClient(settings(broker, "held")).run { client in
                #expect(try await client.waitUntilOnline().sessionPresent)
                try await client.ping()
                // They came ahead of PINGRESP. The scope claims its own, the rest stays unclaimed.
                #expect(try await client.subscribe(to: "t/2") { try await $0.texts(1) } == ["2"])
                #expect(try await client.messages.texts(2) == ["1", "3"])
            }
        }
    }

    @Test func flaw3UnreadMessagesSurviveADroppedIterator() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                try await client.subscribe(to: [Subscription("t")])
                for number in 1...4 { _ = try await client.publish(Payload("\(number)"), to: "t", .atLeastOnce).completed }
                #expect(try await client.messages.texts(1) == ["1"])
                // The first one was never released by asking for another: it comes again, and all that were taken along.
                #expect(try await client.messages.texts(4) == ["1", "2", "3", "4"])
            }
        }
    }

    @Test func flaw3ReceiptsOfTheNewLinkAreNotStale() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        let first = try await server.accept(sessionPresent: false, publishPacket("t", [UInt8(ascii: "1")], qos: 1, id: 1))
        try await client.waitUntilOnline()
        try await first.close()
        // The broker delivers again in the same bytes as CONNACK: handed over once, and acknowledged.
        let second = try await server.accept(
            sessionPresent: true,
            publishPacket("t", [UInt8(ascii: "1")], qos: 1, id: 1, flags: 8) + publishPacket("t", [UInt8(ascii: "2")], qos: 1, id: 2))
        _ = try await pinged(client, second)
        async let texts = client.messages.texts(2)
        #expect(try await second.packet(0x40) == [0x40, 2, 0, 1])
        #expect(try await texts == ["1", "2"])
        await client.close()
        try await running
        try await server.stop()
    }

    @Test func flaw1WhatALostSessionDeliveredIsKeptOverFurtherLinks() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        let first = try await server.accept(sessionPresent: false, publishPacket("t", [UInt8(ascii: "1")], qos: 1, id: 1))
        _ = try await pinged(client, first)
        try await first.close()
        let second = try await server.accept(sessionPresent: false, publishPacket("t", [UInt8(ascii: "2")], qos: 1, id: 1))
        _ = try await pinged(client, second)
        try await second.close()
        // The session of the second link goes on: its message comes again, the first one never does.
        let third = try await server.accept(sessionPresent: true, publishPacket("t", [UInt8(ascii: "2")], qos: 1, id: 1, flags: 8))
        _ = try await pinged(client, third)
        #expect(try await client.messages.texts(2) == ["1", "2"])
        await client.close()
        try await running
        try await server.stop()
    }

    /// Everything that the peer sent before has been taken in.
    private func pinged(_ client: MQTTClient, _ peer: Peer) async throws {
        try await client.waitUntilOnline()
        async let ping = client.ping()
        _ = try await peer.packet(0xC0)
        try await peer.send([0xD0, 0])
        _ = try await ping
    }

    @Test func flaw5ExactlyOnceOverCuts() async throws {
        try await withBroker { broker in
            let sender = try MQTTClient(settings(broker, "sender"))
            let receiver = try MQTTClient(settings(broker, "receiver"))
            async let sending: Void = sender.run()
            async let receiving: Void = receiver.run()
            try await receiver.subscribe(to: [Subscription("t")])
            let texts = Task { try await receiver.messages.texts(300) }
            for number in 0..<300 {
                _ = try sender.submit(Payload("\(number)"), to: "t", .exactlyOnce)
                if number % 50 == 25 { try await broker.cutConnections() }
            }
            #expect(try await texts.value == (0..<300).map(String.init))
            await sender.close()
            await receiver.close()
            _ = try await (sending, receiving)
        }
    }

    @Test func flaw6ALostSubscriptionIsMadeAgainOverAnyNumberOfCuts() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        // However it was submitted.
        async let grants = client.submitSubscribe(to: [Subscription("t")]).response
        let first = try await server.accept()
        var subscribe = try await first.packet(0x80)
        try await first.send([0x90, 3, subscribe[2], subscribe[3], 2])
        _ = try await grants
        try await first.close()
        let second = try await server.accept()
        _ = try await second.packet(0x80)
        try await second.close()
        // The broker has a session, of which it is unknown whether it has the subscription.
        let third = try await server.accept(sessionPresent: true)
        subscribe = try await third.packet(0x80)
        try await third.send([0x90, 3, subscribe[2], subscribe[3], 2] + publishPacket("t", [UInt8(ascii: "x")]))
        #expect(try await client.messages.texts(1) == ["x"])
        try await third.close()
        let fourth = try await server.accept(sessionPresent: true)
        async let ping = client.ping()
        #expect(try await fourth.packet() == [0xC0, 0])
        try await fourth.send([0xD0, 0])
        _ = try await ping
        await client.close()
        try await running
        try await server.stop()
    }

    @Test func flaw6NoSubscriptionIsMadeAgainWhenThatIsOff() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker) { $0.resubscribes = false })
            try await client.run { client in
                try await client.waitUntilOnline()
                try await client.subscribe(to: [Subscription("t")])
                var states = client.connectionStates.makeAsyncIterator()
                _ = await states.next()
                try await broker.dropSessions()
                while let state = await states.next() { if case .online = state { break } }
                _ = try await client.publish("lost", to: "t", .atLeastOnce).completed
                try await client.subscribe(to: "u") { messages in
                    try await client.publish("x", to: "u")
                    #expect(try await messages.texts(1) == ["x"])
                }
            }
        }
    }
}
