import MQTTTesting
import NIOCore
import NIOPosix
import Testing

@testable import MQTT

/// Beginning, ending, and everything that must be gone afterwards.
@Suite(.timeLimit(.minutes(1)), .serialized) struct LifecycleTests {
    @Test func everyWayToEndCanBeTakenAgain() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            async let running: Void = client.run()
            try await client.waitUntilOnline()
            #expect(await failure { try await client.run() }?.code == .invalidArgument)
            try await client.disconnect()
            try await running
            #expect(await failure { try await client.disconnect() }?.code == .closed)
            #expect(await failure { try await client.run() }?.code == .closed)
            #expect(await failure { try await client.waitUntilOnline() }?.code == .closed)
            #expect(await failure { try await client.ping() }?.code == .closed)
            await client.close()
            await client.close()
            var states = client.connectionStates.makeAsyncIterator()
            #expect(await states.next() == .closed)
            #expect(await states.next() == nil)
            #expect(try await client.messages.texts(1) == [])
        }
    }

    @Test func disconnectOfflineIsDownAndEnds() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            let error = await failure { try await client.disconnect() }
            #expect(error?.code == .down && error?.fate == .notSent)
            #expect(await failure { try await client.run() }?.code == .closed)
        }
    }

    @Test("Nobody sends what a client was given that is dropped without a run, and its handles say so", arguments: [false, true])
    func droppedWithoutARun(isDurable: Bool) async throws {
        let server = try await ScriptedBroker.start()
        func submitted() throws -> Delivery {
            let session: SessionOptions = isDurable ? .durable(id: "client", in: MemorySessionStore()) : .volatile(id: "client")
            return try MQTTClient(settings(dialer: server.dialer) { $0.session = session }).submit("x", to: "t", .atLeastOnce)
        }
        let delivery = try submitted()
        let error = await failure { _ = try await delivery.completed }
        #expect(error?.code == .suspended && error?.fate == (isDurable ? .kept : .notSent))
        #expect(!delivery.withdraw() && !delivery.abandon())
        func sequences() throws -> (Messages, ConnectionStates) {
            let client = try MQTTClient(settings(dialer: server.dialer))
            return (client.messages, client.connectionStates)
        }
        let (messages, states) = try sequences()
        for try await _ in messages { Issue.record("a message of no connection") }
        var iterator = states.makeAsyncIterator()
        #expect(await iterator.next() == .closed)
        try await server.stop()
    }

    @Test func disconnectComesBehindWhatWasSubmittedAndDropsTheWill() async throws {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer))
        async let running: Void = client.run()
        let peer = try await server.accept()
        try await client.waitUntilOnline()
        let delivery = try client.submit("x", to: "t", .atLeastOnce)
        async let leaving: Void = client.disconnect()
        #expect(try await peer.packet()[0] == 0x32)
        #expect(try await peer.packet() == [0xE0, 0])
        await #expect(throws: ChannelError.self) { try await peer.packet() }
        try await leaving
        try await running
        let error = await failure { _ = try await delivery.completed }
        #expect(error?.code == .suspended && error?.fate == .unknown)
        try await server.stop()
    }

    @Test func runDrainsAndCancellationDoesNot() async throws {
        try await withBroker { broker in
            let delivery = LockedBox<Delivery?>(nil)
            // A sanitizer takes its time.
            try await MQTTClient(settings(broker) { $0.drainTimeout = .seconds(50) }).run { client in
                try await client.waitUntilOnline()
                let submitted = try (0..<1_000).map { try client.submit(Payload("\($0)"), to: "t", .exactlyOnce) }
                delivery.withValue { $0 = submitted.last }
            }
            #expect(try await delivery.value?.completed == Delivery.Outcome())
            let client = try MQTTClient(settings(broker, "canceled"))
            let running = Task { try await client.run() }
            try await client.waitUntilOnline()
            running.cancel()
            try await running.value
            #expect(await failure { try await client.ping() }?.code == .closed)
        }
    }

    @Test func neverSentIsNotUnknown() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            let delivery = try client.submit("x", to: "t", .exactlyOnce)
            let waiting = Task { await failure { _ = try await delivery.completed } }
            waiting.cancel()
            #expect(await waiting.value?.code == .canceled)
            var progress = delivery.progress.makeAsyncIterator()
            #expect(await progress.next() == .stored)
            await client.close()
            guard case .failed(let error) = await progress.next() else {
                Issue.record("not failed")
                return
            }
            #expect(error.code == .suspended && error.fate == .notSent)
            #expect(await progress.next() == nil)
            #expect(!delivery.withdraw())
        }
    }

    @Test func progressTellsEachInterruption() async throws {
        try await withBroker {
            $0.faults.add(.swallowAcknowledgements(1), on: .connections(1...3))
        } _: { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                let delivery = try client.submit("x", to: "t", .atLeastOnce)
                var steps: [String] = []
                for await step in delivery.progress {
                    switch step {
                    case .stored: steps.append("stored")
                    case .interrupted(let error):
                        #expect(error.fate == .kept)
                        steps.append("interrupted")
                    case .completed: steps.append("completed")
                    case .failed: steps.append("failed")
                    }
                    if steps.last == "stored" || (steps.last == "interrupted" && steps.count < 4) {
                        let count = steps.count
                        try await broker.wait { $0.receivedCount == count }
                        try await broker.cutConnections()
                    }
                }
                #expect(steps == ["stored", "interrupted", "interrupted", "interrupted", "completed"])
            }
        }
    }

    @Test(arguments: ["refused", "violation", "closed", "silent", "nobody"])
    func aFailedFirstAttemptEndsRun(how: String) async throws {
        let server = try await ScriptedBroker.start()
        if how == "nobody" { try await server.stop() }
        let client = try MQTTClient(
            settings(dialer: server.dialer) {
                $0.retriesFirstConnect = false
                $0.pauseTimeout = how == "silent" ? .milliseconds(50) : .seconds(10)
            })
        async let error = failure { try await client.run() }
        async let waiting = failure { try await client.waitUntilOnline() }
        if how != "nobody" {
            let peer = try await server.peer()
            _ = try await peer.packet()
            switch how {
            case "refused": try await peer.send([0x20, 2, 0, 5])
            case "violation": try await peer.send([0x30, 0])
            case "closed": try await peer.close()
            default: break
            }
        }
        let expected: [String: MQTTError.Code] = [
            "refused": .connectionRefused, "violation": .protocolViolation, "closed": .down, "silent": .timeout, "nobody": .down,
        ]
        #expect(await error?.code == expected[how])
        #expect(await waiting?.code == expected[how])
        if how == "refused" { #expect(await error?.reasonCode?.rawValue == 5) }
        if how == "nobody" { #expect(await error?.message.contains("cannot connect") == true) } else { try await server.stop() }
    }

    @Test func statesMissNothing() async throws {
        try await withBroker {
            $0.faults.add(.refuse(code: 3), on: .connection(2))
        } _: { broker in
            let client = try MQTTClient(settings(broker))
            let states = client.connectionStates
            let names = Task {
                var names: [String] = []
                for await state in states {
                    switch state {
                    case .online: names.append("online")
                    case .offline: names.append("offline")
                    case .attemptFailed(let error): names.append("\(error.code)")
                    case .closed: names.append("closed")
                    }
                }
                return names
            }
            try await client.run { client in
                try await client.waitUntilOnline()
                try await broker.cutConnections()
                try await broker.wait { $0.connectionCount == 3 && $0.connectedClients == ["client"] }
                _ = try await client.publish("x", to: "t", .atLeastOnce).completed
            }
            #expect(await names.value == ["online", "offline", "connectionRefused", "online", "closed"])
        }
    }

    @Test func nothingIsLeftBehind() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        for round in 0..<4 {
            let engine = try await Self.weakEngine(round, on: group)
            // Whatever is still on the loop has run when this has.
            while engine() != nil { try await group.any().submit {}.get() }
        }
        try await group.shutdownGracefully()
    }

    /// Uses up a client: connected, cut in the middle, refused by nobody, or closed while its buffer is full.
    private static func weakEngine(_ round: Int, on group: any EventLoopGroup) async throws -> @Sendable () -> AnyObject? {
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer) { $0.drainTimeout = .zero }, eventLoopGroup: group)
        let running = Task { try await client.run() }
        let peer = try await server.accept()
        try await client.waitUntilOnline()
        let delivery = try client.submit(Payload(source: Pattern(count: 64 << 20)), to: "t", .atLeastOnce)
        _ = delivery.progress
        if round % 2 == 0 { try await peer.close() } else { try await peer.channel.setOption(.autoRead, value: false).get() }
        if round == 3 { try? await client.disconnect() } else { await client.close() }
        try await running.value
        try? await peer.close()
        try await server.stop()
        return { [weak engine = client.engine] in engine }
    }

    @Test func twoHundredClientsShareAGroup() async throws {
        try await withBroker { broker in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        try await MQTTClient(settings(broker, "client-\(number)")).run { client in
                            try await client.waitUntilOnline()
                            let texts = try await client.subscribe(to: "t/\(number)") { messages in
                                for qos in [QoS.atMostOnce, .atLeastOnce, .exactlyOnce] {
                                    try await client.publish("x", to: "t/\(number)", qos)
                                }
                                return try await messages.texts(3)
                            }
                            #expect(texts == ["x", "x", "x"])
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    /// Of CONNACK, PUBACKs, PUBRECs and PUBCOMPs, and of the packets before them.
    @Test(arguments: [true, false])
    func cutsAtEveryByteLoseNothing(fromClient: Bool) async throws {
        for bytes in 0..<(fromClient ? 90 : 40) {
            try await withBroker {
                $0.faults.add(fromClient ? .cutFromClient(afterBytes: bytes) : .cutToClient(afterBytes: bytes), on: .connection(1))
            } _: { broker in
                let client = try MQTTClient(settings(broker))
                let once = try client.submit("once", to: "t", .atLeastOnce)
                let exactly = try client.submit("exactly", to: "t", .exactlyOnce)
                try await client.run { client in
                    let texts = try await subscribed(client)
                    _ = try await (once.completed, exactly.completed)
                    #expect(texts == ["mine"])
                }
                let received = try await broker.received.map { String(decoding: $0.payload, as: UTF8.self) }
                #expect(received.filter { $0 == "exactly" }.count == 1)
                #expect(received.contains("once"))
            }
        }
    }

    private func subscribed(_ client: MQTTClient) async throws -> [String] {
        while true {
            do {
                return try await client.subscribe(to: "mine") { messages in
                    try await client.publish("mine", to: "mine", .exactlyOnce)
                    return try await messages.texts(1)
                }
            } catch let error as MQTTError where [.connectionLost, .down].contains(error.code) {
                try await client.waitUntilOnline()
            }
        }
    }
}
