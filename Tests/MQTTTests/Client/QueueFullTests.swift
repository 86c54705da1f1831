import MQTT
import MQTTTesting
import Testing

/// What a full queue does by choice: refuse, or wait.
@Suite(.timeLimit(.minutes(1))) struct QueueFullTests {
    @Test(arguments: [QoS.atLeastOnce, .exactlyOnce])
    func aPublisherThatWaitsLosesNothing(qos: QoS) async throws {
        try await withBroker { broker in
            let client = try MQTTClient(
                settings(broker) {
                    $0.limits.atLeastOnce = 3
                    $0.limits.exactlyOnce = 3
                    $0.whenQueueIsFull = .wait
                })
            try await client.run { client in
                for number in 0..<100 { try await client.publish(Payload("\(number)"), to: "t", qos) }
            }
            try await broker.wait { $0.receivedCount == 100 }
            #expect(try await broker.snapshot.violations.isEmpty)
        }
    }

    @Test func aWaitThatIsCanceledHasNoEffect() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(
                settings(broker) {
                    $0.limits.atLeastOnce = 1
                    $0.whenQueueIsFull = .wait
                })
            // The client is not running, so nothing becomes complete.
            let first = try client.submit("1", to: "t", .atLeastOnce)
            let second = Task { try await client.publish("2", to: "t", .atLeastOnce) }
            second.cancel()
            let error = await #expect(throws: MQTTError.self) { try await second.value }
            #expect(error?.code == .canceled && error?.fate == .notSent)
            #expect(first.withdraw())
            try await client.publish("3", to: "t", .atLeastOnce)
        }
    }

    @Test func theEndOfTheClientEndsTheWait() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(
                settings(broker) {
                    $0.limits.atLeastOnce = 1
                    $0.whenQueueIsFull = .wait
                })
            _ = try client.submit("1", to: "t", .atLeastOnce)
            let second = Task { try await client.publish("2", to: "t", .atLeastOnce) }
            await client.close()
            let error = await #expect(throws: MQTTError.self) { try await second.value }
            #expect(error?.code == .closed)
        }
    }

    @Test func whatNeverFitsIsRefused() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(
                settings(broker) {
                    $0.limits.queuedBytes = 10
                    $0.whenQueueIsFull = .wait
                })
            let error = await #expect(throws: MQTTError.self) { try await client.publish("more than ten bytes", to: "t", .atLeastOnce) }
            #expect(error?.code == .tooManyRequests)
        }
    }
}
