import MQTT
import MQTTTesting
import Testing

/// Sessions that go on in another client, over any number of ends.
@Suite(.timeLimit(.minutes(4))) struct ResumedClientTests {
    @Test(arguments: StoreKind.allCases)
    func whatAClientThatNeverRanAcceptedIsDeliveredByTheNext(kind: StoreKind) async throws {
        try await withBroker(kind) { broker, store in
            let first = try MQTTClient(settings(broker, in: store()))
            for number in 0..<20 { try await first.publish(Publication(number, number % 2 == 0 ? .atLeastOnce : .exactlyOnce)) }
            await first.close()
            let second = try MQTTClient(settings(broker, in: store()))
            #expect(second.storeDamage.isEmpty)
            try await second.run { client in try await broker.wait { $0.receivedCount == 20 } }
            let received = try await broker.received
            #expect(received.map(\.text) == (0..<20).map { "\($0)" })
            // An earlier run may have sent them.
            #expect(received.allSatisfy { $0.isDuplicate })
            #expect(try store().keys() == [.client])
        }
    }

    @Test(arguments: StoreKind.allCases, [SessionOptions.Start.resume, .new])
    func aNewSessionRemovesWhatWasThere(kind: StoreKind, start: SessionOptions.Start) async throws {
        try await withBroker(kind) { broker, store in
            let first = try MQTTClient(settings(broker, in: store()))
            try await first.publish("x", to: "t", .exactlyOnce)
            await first.close()
            let second = try MQTTClient(settings(broker, in: store(), start))
            #expect(try await second.deliveries.all().count == (start == .new ? 0 : 1))
            await second.close()
            #expect(try store().keys().count == (start == .new ? 1 : 2))
        }
    }

    @Test(arguments: StoreKind.allCases)
    func theOrderIsKeptOverSeveralRestarts(kind: StoreKind) async throws {
        try await withBroker(kind) { broker, store in
            // No acknowledgement gets through before the last run, and connections break.
            var faults = FaultPlan()
            faults.add(.swallowAcknowledgements(.max), on: .connections(1...3))
            try await broker.setFaults(faults)
            for run in 0..<4 {
                let client = try MQTTClient(settings(broker, in: store()) { $0.drainTimeout = run < 3 ? .zero : .seconds(50) })
                try await client.run { client in
                    for number in run * 10..<run * 10 + 10 { try await client.publish(Publication(number, .atLeastOnce)) }
                    try await client.waitUntilOnline()
                    if run < 3 { try await broker.wait { $0.received.last?.text == "\(run * 10 + 9)" } }
                }
            }
            let received = try await broker.received
            // Each run sends everything again, in order; the first time of each is in the order of acceptance.
            var seen: Set<String> = []
            #expect(received.map(\.text).filter { seen.insert($0).inserted } == (0..<40).map { "\($0)" })
            #expect(received.suffix(40).map(\.text) == (0..<40).map { "\($0)" })
            #expect(try store().keys() == [.client])
        }
    }

    @Test(arguments: StoreKind.allCases, [0, 1, 3, 7])
    func exactlyOnceOverRestarts(kind: StoreKind, swallowed: Int) async throws {
        try await withBroker(kind, { $0.broker.payloadsAreUnique = true }) { broker, store in
            // Some PUBRECs and PUBCOMPs get through, others do not.
            var faults = FaultPlan()
            faults.add(.swallowAcknowledgements(swallowed), on: .connections(1...3))
            try await broker.setFaults(faults)
            for run in 0..<4 {
                let client = try MQTTClient(
                    settings(broker, in: store()) {
                        $0.drainTimeout = run < 3 ? .zero : .seconds(50)
                        $0.limits.exactlyOnceInFlight = 4
                    })
                try await client.run { client in
                    for number in run * 5..<run * 5 + 5 { try await client.publish(Publication(number, .exactlyOnce)) }
                    let count = (run + 1) * (swallowed == 0 ? 5 : 1)
                    try await broker.wait { $0.receivedCount >= count }
                }
            }
            #expect(try await broker.received.map(\.text) == (0..<20).map { "\($0)" })
            #expect(try await broker.snapshot.suspicions.isEmpty)
            #expect(try store().keys() == [.client])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func afterALostSessionEachArrivesAtLeastOnceAndIsReported(kind: StoreKind) async throws {
        try await withBroker(kind) { broker, store in
            var faults = FaultPlan()
            // PUBREC comes, PUBCOMP does not: the broker stops reading behind the PUBLISH packets.
            faults.add(.loseSession, on: .connection(2))
            try await broker.setFaults(faults)
            let first = try MQTTClient(settings(broker, in: ScriptedStore(store())) { $0.drainTimeout = .zero })
            try await first.run { client in
                try await client.publish(Publication(0, .exactlyOnce))
                try await broker.wait { $0.receivedCount == 1 }
                try await broker.setFaults(ConnectionFaults(swallowing: .max), for: "client")
                try await client.publish(Publication(1, .exactlyOnce))
                try await client.publish(Publication(2, .atLeastOnce))
                try await broker.wait { $0.receivedCount == 3 }
            }
            let second = try MQTTClient(settings(broker, in: store()))
            let found = try await second.deliveries.all()
            #expect(found.map(\.qos).suffix(2) == [.exactlyOnce, .atLeastOnce])
            let lost = try #require(found.last { $0.qos == .exactlyOnce }).delivery
            var progress = lost.progress.makeAsyncIterator()
            try await second.run { client in
                #expect(try await client.waitUntilOnline().sessionPresent == false)
                _ = try await lost.completed
            }
            #expect(await progress.next() == .stored)
            guard case .interrupted(let error) = await progress.next() else {
                Issue.record("the loss of the session is not told")
                return
            }
            #expect(error.code == .connectionLost && error.fate == .kept)
            #expect(Set(try await broker.received.suffix(2).map(\.text)) == ["1", "2"])
            #expect(try store().keys() == [.client])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func receptionIsExactlyOnceOverRestarts(kind: StoreKind) async throws {
        try await withBroker(kind) { broker, store in
            let first = try MQTTClient(settings(broker, in: store()))
            var texts: [String] = []
            try await first.run { client in
                try await client.subscribe(to: [Subscription("in")])
                // PUBREC of the first does not get through, so the broker sends it again to the next client.
                try await broker.setFaults(ConnectionFaults(duplicatesEvery: 1), for: "client")
                for number in 0..<3 { try await broker.publish(Array("\(number)".utf8), to: "in", qos: 2) }
                texts = try await client.messages.texts(3)
            }
            #expect(texts == ["0", "1", "2"])
            let second = try MQTTClient(settings(broker, in: store()))
            try await second.run { client in
                #expect(try await client.waitUntilOnline().sessionPresent)
                // The last one was not released: it comes again. The others do not.
                try await broker.publish(Array("3".utf8), to: "in", qos: 2)
                #expect(try await client.messages.texts(2) == ["2", "3"])
            }
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aMessageThatTheApplicationOwnsIsNotHandedOverAgain(kind: StoreKind) async throws {
        let inner = kind == .memory ? MemorySessionStore() : nil
        try await withDirectory { path in
            let make = kind.maker(at: path)
            let server = try await ScriptedBroker.start()
            let first = try MQTTClient(settings(dialer: server.dialer, in: inner ?? make()))
            let running = Task { try await first.run() }
            let peer = try await server.accept()
            try await peer.send(publishPacket("in", [65], qos: 2, id: 7))
            var iterator = first.messages.makeAsyncIterator()
            #expect(try await iterator.next()?.payload.string == "A")
            iterator.acknowledge()
            #expect(try await peer.packet() == [0x50, 2, 0, 7])
            await first.close()
            try await running.value
            // The broker did not get PUBREC, and repeats the message to the next client.
            let second = try MQTTClient(settings(dialer: server.dialer, in: inner ?? make()))
            let secondRunning = Task { try await second.run() }
            let again = try await server.accept(sessionPresent: true)
            try await again.send(publishPacket("in", [65], qos: 2, id: 7, flags: 8) + publishPacket("in", [66], qos: 2, id: 8))
            #expect(try await again.packet() == [0x50, 2, 0, 7])
            var secondIterator = second.messages.makeAsyncIterator()
            #expect(try await secondIterator.next()?.payload.string == "B")
            try await again.send([0x62, 2, 0, 7])
            #expect(try await again.packet() == [0x70, 2, 0, 7])
            await second.close()
            try await secondRunning.value
            #expect(try (inner ?? make()).keys() == [.client])
            try await server.stop()
        }
    }

    @Test func sessionPresentZeroClearsWhatTheBrokerHasForgotten() async throws {
        let store = MemorySessionStore()
        let server = try await ScriptedBroker.start()
        let first = try MQTTClient(settings(dialer: server.dialer, in: store))
        let running = Task { try await first.run() }
        let peer = try await server.accept()
        try await peer.send(publishPacket("in", [65], qos: 2, id: 7))
        var iterator = first.messages.makeAsyncIterator()
        _ = try await iterator.next()
        iterator.acknowledge()
        _ = try await peer.packet()
        await first.close()
        try await running.value
        #expect(try store.keys() == [.client, .inbound(7)])
        let second = try MQTTClient(settings(dialer: server.dialer, in: store))
        let secondRunning = Task { try await second.run() }
        let again = try await server.accept(sessionPresent: false)
        // A new message under the old identifier.
        try await again.send(publishPacket("in", [66], qos: 2, id: 7))
        var secondIterator = second.messages.makeAsyncIterator()
        #expect(try await secondIterator.next()?.payload.string == "B")
        await second.close()
        try await secondRunning.value
        #expect(try store.keys() == [.client])
        try await server.stop()
    }

    @Test func theClientIdentifierIsKept() async throws {
        try await withBroker(.journal) { broker, store in
            let first = try MQTTClient(settings(broker, in: store(), id: "gateway-7"))
            await first.close()
            let second = try MQTTClient(settings(broker, in: store(), id: ""))
            try await second.run { client in
                try await client.waitUntilOnline()
                #expect(try await broker.connectedClients == ["gateway-7"])
            }
        }
    }

    @Test func subscriptionsOfTheBrokersSessionGoOnWithTheNextClient() async throws {
        try await withBroker(.journal) { broker, store in
            let first = try MQTTClient(settings(broker, in: store()))
            try await first.run { client in _ = try await client.subscribe(to: [Subscription("in")]) }
            for number in 0..<10 { try await broker.publish(Array("\(number)".utf8), to: "in", qos: UInt8(1 + number % 2)) }
            let second = try MQTTClient(settings(broker, in: store()))
            try await second.run { client in
                let texts = try await client.messages.texts(10)
                #expect(texts == (0..<10).map { "\($0)" })
            }
        }
    }

    @Test func whatWasAcceptedDrainsAtTheEndOfRun() async throws {
        try await withBroker(.journal) { broker, store in
            let client = try MQTTClient(settings(broker, in: store()))
            var delivery: Delivery?
            try await client.run { client in
                for number in 0..<500 { delivery = try client.submit(Publication(number, number % 2 == 0 ? .atLeastOnce : .exactlyOnce)) }
            }
            _ = try await delivery?.completed
            #expect(try await broker.received.map(\.text) == (0..<500).map { "\($0)" })
            #expect(try store().keys() == [.client])
        }
    }
}

extension ConnectionFaults {
    init(swallowing count: Int = 0, duplicatesEvery: Int? = nil) {
        self.init()
        swallowedAcknowledgements = count
        self.duplicatesEvery = duplicatesEvery
    }
}
