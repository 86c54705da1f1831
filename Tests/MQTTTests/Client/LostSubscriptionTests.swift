// Subscriptions that the broker loses with its session.
import MQTT
import MQTTTesting
import Testing

@Suite(.timeLimit(.minutes(1))) struct LostSubscriptionTests {
    @Test func theSubscriptionOfAScopeIsMadeAgain() async throws {
        var settings = TestBroker.Configuration()
        settings.address = .inMemory
        let broker = try await TestBroker.start(settings)
        var configuration = Configuration(broker: .tcp(host: "in.memory"), session: .volatile(id: "forgotten"))
        configuration.dialer = broker.dialer
        configuration.reconnect.minimum = .milliseconds(1)
        try await MQTTClient(configuration).run { client in
            try await client.subscribe(to: "a") { messages in
                try await broker.dropSession("forgotten")
                // Retained, so that it comes with the subscription, whenever that is made again.
                try await broker.publish([0x31], to: "a", qos: 1, retain: true)
                for try await message in messages {
                    #expect(message.payload.string == "1")
                    break
                }
            }
        }
        #expect(try await broker.snapshot.connectionCount == 2)
        try await broker.stop()
    }
}
