// A session that was away for long: what the broker has queued for it.
import MQTT
import Testing

@Suite("A long queue at Mosquitto", .mosquittoIsInstalled, .serialized, .timeLimit(.minutes(3)))
struct QueuedSessionTests {
    private static let count = 10_000

    @Test("All of it arrives in order, and what was not processed comes again", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func queued(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started()
        try await mosquitto.withClient("subscriber") { try await $0.subscribe(to: [Subscription("queue", atMost: qos)]) }
        try await mosquitto.withClient("publisher", clean: true) { try await $0.publish(numbers: 0..<Self.count, to: "queue", qos) }

        let half = Self.count / 2
        let first = try mosquitto.client("subscriber")
        var arrivals = Arrivals()
        let firstRun = Task { try await first.run() }
        #expect(try await first.waitUntilOnline().sessionPresent)
        try await first.messages.receive(upTo: half, into: &arrivals)
        // The last one is in the consumer's hands, and was never acknowledged. Any number of those before may have been lost on
        // the way, as acknowledgements that nobody waits for.
        await first.close()
        try await firstRun.value

        try await mosquitto.withClient("subscriber") { second in
            #expect(try await second.waitUntilOnline().sessionPresent)
            var rest: Arrivals?
            for try await message in second.messages {
                let number = try #require(message.payload.number)
                if rest == nil {
                    // It comes again, and it is the first that was not acknowledged.
                    #expect(number < half)
                    rest = Arrivals(from: number)
                }
                try rest?.note(message)
                if rest?.next == Self.count { break }
            }
            #expect(rest?.repeats == 0)
        }
    }

    @Test("A handled message does not come again, one that is held does, at the next client of the session")
    func acknowledgedWhenAskedForTheNext() async throws {
        let mosquitto = try await Mosquitto.started()
        try await mosquitto.withClient("subscriber") { try await $0.subscribe(to: [Subscription("a", atMost: .atLeastOnce)]) }
        try await mosquitto.withClient("publisher", clean: true) { try await $0.publish(numbers: 0..<3, to: "a", .atLeastOnce) }
        for expected in [0, 1, 2] {
            try await mosquitto.withClient("subscriber") { subscriber in
                var messages = subscriber.messages.makeAsyncIterator()
                #expect(try await messages.next()?.payload.number == expected)
                guard expected < 2 else { return }
                #expect(try await messages.next()?.payload.number == expected + 1)
                // The broker has read the acknowledgement by the time that it answers.
                try await subscriber.ping()
            }
        }
    }
}
