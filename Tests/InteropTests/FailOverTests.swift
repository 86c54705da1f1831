// Three brokers, killed one after another under traffic.
import MQTT
import Testing

@Suite("Three Mosquittos", .mosquittoIsInstalled, .timeLimit(.minutes(2)))
struct FailOverTests {
    @Test(
        "Killed one after another: the client is at the next one within its back-off, and what was not confirmed goes there",
        arguments: [QoS.atLeastOnce, .exactlyOnce])
    func killedInTurn(_ qos: QoS) async throws {
        var mosquittos: [Mosquitto] = []
        for _ in 0..<3 { mosquittos.append(try await Mosquitto.started(Mosquitto.Settings(persistence: false))) }
        var configuration = try Configuration(
            brokers: mosquittos.map { Broker.tcp(host: Mosquitto.host, port: $0.port) }, session: .volatile(id: "publisher"))
        configuration.reconnect.minimum = .milliseconds(10)
        configuration.reconnect.maximum = .seconds(3_600)
        configuration.limits.atLeastOnce = 10_000
        configuration.limits.exactlyOnce = 10_000
        let count = 3_000
        try await MQTTClient(configuration).run { publisher in
            var states = publisher.connectionStates.makeAsyncIterator()
            _ = try await publisher.waitForState(&states, where: \.isOnline)
            // Retained, each under its own topic: afterwards a broker can be asked for every one that it was given.
            var deliveries: [Delivery] = []
            var unconfirmed: [Set<Int>] = []
            for part in 0..<3 {
                let numbers = (part * count / 3)..<((part + 1) * count / 3)
                deliveries += try publisher.submit(
                    contentsOf: numbers.map { Publication(Payload(number: $0), to: "over/\($0)", qos, retain: true) })
                guard part < 2 else { break }
                _ = try await deliveries[numbers.lowerBound + numbers.count / 2].completed
                if part == 1 {
                    // What the first had not confirmed when it was killed is with the second, before that is killed too.
                    for number in unconfirmed[0] { _ = try await deliveries[number].completed }
                    #expect(try await retainedNumbers(mosquittos[1]).isSuperset(of: unconfirmed[0]))
                }
                try await mosquittos[part].kill()
                _ = try await publisher.waitForState(&states, where: \.isOffline)
                var open: Set<Int> = []
                for (number, delivery) in deliveries.enumerated() where await !delivery.isComplete { open.insert(number) }
                unconfirmed.append(open)
                try await expectNextBroker(&states, gone: part + 1)
            }
            for delivery in deliveries { _ = try await delivery.completed }
            // What the second had not confirmed when it was killed, and all that came later, is with the third.
            let kept = try await retainedNumbers(mosquittos[2])
            #expect(kept.isSuperset(of: unconfirmed[1]))
            #expect(kept.isSuperset(of: (2 * count / 3)..<count))
        }
    }

    /// The loss, at most one attempt at each broker that is gone, and then the next broker. A pause of the maximum would be an hour.
    private func expectNextBroker(_ states: inout ConnectionStates.Iterator, gone mosquittos: Int) async throws {
        var failures = 0
        while let state = await states.next(), !state.isOnline {
            if state.failure != nil { failures += 1 }
        }
        #expect(failures <= mosquittos)
    }

    private func retainedNumbers(_ mosquitto: Mosquitto) async throws -> Set<Int> {
        try await mosquitto.withClient("reader", clean: true) { reader in
            try await reader.subscribe(to: "over/#") { messages in
                // Retained messages come ahead of what is published after SUBACK.
                try await reader.publish(.empty, to: "over/end", .exactlyOnce)
                var kept: Set<Int> = []
                for try await message in messages {
                    guard let number = message.payload.number else { break }
                    kept.insert(number)
                }
                return kept
            }
        }
    }
}
