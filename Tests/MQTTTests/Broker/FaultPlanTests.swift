import MQTTTesting
import Testing

/// Each fault of a plan, seen from a client that speaks in bytes.
@Suite("TestBroker: faults", .timeLimit(.minutes(1)))
struct FaultPlanTests {
    func with(_ faults: [FaultPlan.Fault], _ body: (TestBroker) async throws -> Void) async throws {
        var configuration = TestBroker.Configuration()
        configuration.address = .inMemory
        for fault in faults { configuration.faults.add(fault, on: .connection(1)) }
        let broker = try await TestBroker.start(configuration)
        do { try await body(broker) } catch {
            try await broker.stop()
            throw error
        }
        try await broker.stop()
    }

    @Test("Refusing, closing before CONNACK", arguments: [FaultPlan.Fault.refuse(code: 5), .closeBeforeConnack])
    func connecting(fault: FaultPlan.Fault) async throws {
        try await with([fault]) { broker in
            try await RawClient.with(broker) { client in
                let connack = try await client.connect("a", clean: false)
                #expect(connack == (fault == .closeBeforeConnack ? [] : [0x20, 2, 0, 5]))
                #expect(await client.isEnded())
            }
            // Only the first connection was meant.
            try await RawClient.with(broker) { client in
                let isPresent: UInt8 = fault == .closeBeforeConnack ? 1 : 0
                let connack = try await client.connect("a", clean: false)
                #expect(connack == [0x20, 2, isPresent, 0])
            }
        }
    }

    @Test("Cut from the client: what lies before takes effect")
    func cutFromClient() async throws {
        try await with([.cutFromClient(afterBytes: 15 + 8 + 3)]) { broker in
            try await RawClient.with(broker) { client in
                _ = try await client.connect("a")
                try await client.send("32 06 00 01 't' 00 01 'x' 32 06 00 01 't' 00 02 'y'")
                #expect(await client.receive(4) == bytes("40 02 00 01"))
                #expect(await client.isEnded())
            }
            #expect(try await broker.received.map(\.packetID) == [1])
        }
    }

    @Test("Cut to the client: not a byte more", arguments: [0, 2, 4, 6])
    func cutToClient(count: Int) async throws {
        try await with([.cutToClient(afterBytes: count)]) { broker in
            try await RawClient.with(broker) { client in
                try await client.send("10 0D 00 04 'MQTT' 04 02 00 00 00 01 'a' 32 06 00 01 't' 00 01 'x'")
                let received = await client.receive(100)
                #expect(received == Array(bytes("20 02 00 00 40 02").prefix(count)))
            }
        }
    }

    @Test("Reading stops; the broker still sends")
    func stopReading() async throws {
        try await with([.stopReading(afterBytes: 15 + 8)]) { broker in
            try await RawClient.with(broker) { client in
                _ = try await client.connect("a")
                try await client.send("82 06 00 01 00 01 't' 00 30 03 00 01 't'")
                #expect(await client.receive(5) == bytes("90 03 00 01 00"))
                try await broker.publish([], to: "t")
                #expect(await client.receive(5) == bytes("30 03 00 01 't'"))
                #expect(try await broker.received == [])
            }
        }
    }

    @Test("Delays keep the order")
    func delays() async throws {
        try await with([.delayFromClient(.milliseconds(2)), .delayToClient(.milliseconds(2))]) { broker in
            try await RawClient.with(broker) { client in
                let connack = try await client.connect("a")
                #expect(connack == bytes("20 02 00 00"))
                for _ in 0..<20 { try await client.send("32 05 00 01 't' 00 01 C0 00") }
                for _ in 0..<20 { #expect(await client.receive(6) == bytes("40 02 00 01 D0 00")) }
                try await client.send("E0 00")
                #expect(await client.isEnded())
            }
        }
    }

    @Test("Unanswered pings, swallowed and reordered acknowledgements, repeated deliveries")
    func packets() async throws {
        let faults: [FaultPlan.Fault] = [
            .ignorePings, .swallowAcknowledgements(1), .reorderAcknowledgements(seed: 1), .duplicateDeliveries(every: 1),
        ]
        try await with(faults) { broker in
            try await RawClient.with(broker) { client in
                _ = try await client.connect("a")
                try await client.send("32 05 00 01 'u' 00 01 C0 00 82 06 00 02 00 01 't' 00")
                #expect(await client.receive(5) == bytes("90 03 00 02 00"))
                try await broker.publish([], to: "t")
                #expect(await client.receive(10) == bytes("30 03 00 01 't' 30 03 00 01 't'"))
            }
        }
    }

    @Test("The session is lost at the second connection")
    func loseSession() async throws {
        try await with([]) { broker in
            var plan = FaultPlan()
            plan.add(.loseSession, on: .connections(2...2))
            try await broker.setFaults(plan)
            for sessionPresent in [0, 0, 1] as [UInt8] {
                try await RawClient.with(broker) { client in
                    let connack = try await client.connect("a", clean: false)
                    #expect(connack == [0x20, 2, sessionPresent, 0])
                }
                try await broker.wait { $0.connectedClients.isEmpty }
            }
        }
    }
}
