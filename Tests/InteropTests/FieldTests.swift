// What goes wrong in other clients, by the numbers of the project's list of field flaws, against the real broker.
import MQTT
import Testing

@Suite("Flaws of the field", .mosquittoIsInstalled, .timeLimit(.minutes(2)))
struct FieldTests {
    @Test("1: what was accepted goes out again to a broker that has forgotten the session", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func sessionPresentZero(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started(Mosquitto.Settings(persistence: false))
        try await mosquitto.withClient("publisher") { publisher in
            try await publisher.ping()
            try await mosquitto.kill()
            let deliveries = try (0..<200).map { try publisher.submit(Payload(number: $0), to: "flaw", qos) }
            let subscriber = try mosquitto.client("subscriber", clean: true)
            try await mosquitto.start()
            try await subscriber.run { _ in
                for delivery in deliveries { _ = try await delivery.completed }
                #expect(try await !publisher.waitUntilOnline().sessionPresent)
            }
        }
    }

    @Test("2: what a resumed session delivers ahead of any handler is held, not acknowledged and dropped")
    func deliveredAheadOfHandler() async throws {
        let mosquitto = try await Mosquitto.started()
        try await mosquitto.withClient("subscriber") { try await $0.subscribe(to: [Subscription("flaw/#")]) }
        try await mosquitto.withClient("publisher", clean: true) { publisher in
            // No more than Mosquitto sends ahead of acknowledgements, which is 20.
            try await publisher.publish(numbers: 0..<10, to: "flaw/a", .exactlyOnce)
            try await publisher.publish(numbers: 0..<10, to: "flaw/b", .atLeastOnce)
        }
        // Nobody asks for anything here, and the client goes away.
        try await mosquitto.withClient("subscriber") { try await $0.ping() }
        try await mosquitto.withClient("subscriber") { subscriber in
            #expect(try await subscriber.waitUntilOnline().sessionPresent)
            try await subscriber.ping()
            // A scope that opens late gets what came before it; the rest stays for the others.
            var late = Arrivals()
            try await subscriber.subscribe(to: "flaw/b") { try await $0.receive(upTo: 10, into: &late) }
            var early = Arrivals()
            try await subscriber.messages.receive(upTo: 10, into: &early)
            #expect(late.repeats + early.repeats == 0)
        }
    }

    @Test("3: a message is acknowledged when the next is asked for, not when it arrives", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func acknowledgedAfterProcessing(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started()
        try await mosquitto.withClient("subscriber") { try await $0.subscribe(to: [Subscription("flaw", atMost: qos)]) }
        try await mosquitto.withClient("publisher", clean: true) { try await $0.publish(numbers: 0..<10, to: "flaw", qos) }
        for _ in 0..<3 {
            // It crashes while it has the first one in its hands.
            try await mosquitto.withClient("subscriber") { subscriber in
                var messages = subscriber.messages.makeAsyncIterator()
                #expect(try await messages.next()?.payload.number == 0)
                try await subscriber.ping()
                await subscriber.close()
            }
        }
        try await mosquitto.withClient("subscriber") { subscriber in
            var arrivals = Arrivals()
            try await subscriber.messages.receive(upTo: 10, into: &arrivals)
            #expect(arrivals.repeats == 0)
        }
    }

    @Test("5: a QoS 2 message in the application's hands survives the connection, and is not handed over twice")
    func receptionOutlivesConnection() async throws {
        let mosquitto = try await Mosquitto.started(Mosquitto.Settings(moreLines: ["log_type all"]))
        try await mosquitto.withClient("subscriber") { subscriber in
            try await subscriber.subscribe(to: [Subscription("flaw")])
            try await mosquitto.withClient("publisher") { try await $0.publish(numbers: 0..<50, to: "flaw", .exactlyOnce) }
            var arrivals = Arrivals()
            var messages = subscriber.messages.makeAsyncIterator()
            var states = subscriber.connectionStates.makeAsyncIterator()
            while arrivals.next < 50 {
                try arrivals.note(try #require(try await messages.next()))
                guard arrivals.next % 10 == 0 else { continue }
                try await mosquitto.restart()
                _ = try await subscriber.waitForState(&states, where: \.isOffline)
                #expect(try await subscriber.waitForState(&states, where: \.isOnline) == .online(subscriber.waitUntilOnline()))
                #expect(try await subscriber.waitUntilOnline().sessionPresent)
            }
            _ = try await subscriber.publish(Payload(number: 50), to: "flaw", .exactlyOnce).completed
            try arrivals.note(try #require(try await messages.next()))
            // None but those that Mosquitto sends again after it has told of our PUBREC, and sent PUBREL.
            #expect(arrivals.repeats <= mosquitto.publishesAfterPubrec(to: "subscriber"), "\(mosquitto.log)")
        }
    }

    @Test("5: identifiers of both directions do not meet: a client that talks to itself")
    func bothDirections() async throws {
        let mosquitto = try await Mosquitto.started()
        try await mosquitto.withClient("client") { client in
            for qos in [QoS.atLeastOnce, .exactlyOnce] {
                try await client.subscribe(to: "flaw/\(qos)") { messages in
                    async let published: Void = client.publish(numbers: 0..<2_000, to: "flaw/\(qos)", qos)
                    var arrivals = Arrivals()
                    try await messages.receive(upTo: 2_000, into: &arrivals)
                    try await published
                    #expect(arrivals.repeats == 0)
                }
            }
        }
    }

    @Test("7: a queue is resumed at once and in order, and a drop in the middle loses nothing", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func resumedQueue(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started()
        let count = 3_000
        try await mosquitto.withClient("subscriber") { try await $0.subscribe(to: [Subscription("flaw", atMost: qos)]) }
        try await mosquitto.withClient("publisher") { publisher in
            var states = publisher.connectionStates.makeAsyncIterator()
            try await mosquitto.stop()
            _ = try await publisher.waitForState(&states, where: \.isOffline)
            let deliveries = try (0..<count).map { try publisher.submit(Payload(number: $0), to: "flaw", qos) }
            try await mosquitto.start()
            _ = try await deliveries[count / 3].completed
            try await mosquitto.restart()
            _ = try await deliveries[2 * count / 3].completed
            try await mosquitto.restart()
            for delivery in deliveries { _ = try await delivery.completed }
            // A storm of reconnects would show here: one loss and one return for each stop. The last return may still be on its way.
            try? await publisher.disconnect()
            var losses = 0
            while let state = await states.next() { if state.isOffline { losses += 1 } }
            #expect(losses <= 2)
        }
        try await mosquitto.withClient("subscriber") { subscriber in
            var arrivals = Arrivals()
            try await subscriber.messages.receive(upTo: count, into: &arrivals)
            if qos == .exactlyOnce { #expect(arrivals.repeats == 0) }
        }
    }
}
