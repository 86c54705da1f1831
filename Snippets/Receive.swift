// Receives the messages of a subscription for as long as a scope lasts.
import MQTT

let client = try MQTTClient(broker: "mqtt://127.0.0.1", session: .volatile(id: "control-room"))

func store(_ text: String, of topic: String) async throws { print(topic, text) }

try await client.run { client in
    // snippet.scope
    try await client.subscribe(to: "plant/+/alert", atMost: .exactlyOnce) { messages in
        for try await message in messages {
            // Asking for the next message acknowledges this one. If `store` throws, the broker, or this client, gives it again.
            try await store(message.payload.string ?? "", of: message.topic)
        }
    }
    // snippet.end
}

// snippet.unscoped
/// Subscribes without a scope: messages come in `messages`, like those of subscriptions that are left over at the broker.
func receiveEverything(_ client: MQTTClient) async throws {
    let grants = try await client.subscribe(to: [Subscription("plant/#"), Subscription("weather", atMost: .atMostOnce)])
    print(grants.map { "\($0.filter): \($0.qos.map { "\($0)" } ?? "refused")" })
    for try await message in client.messages {
        try await store(message.payload.string ?? "", of: message.topic)
    }
}
// snippet.end

// snippet.batches
/// Many messages at a time. Asking for the next batch acknowledges all of the one before.
func receiveInBatches(_ client: MQTTClient) async throws {
    for try await batch in client.messages.batches {
        for message in batch { try await store(message.payload.string ?? "", of: message.topic) }
    }
}
// snippet.end

// snippet.executor
/// Asks and waits on the thread of the connection, which answers without a change of threads. Nothing slow belongs there.
func roundTrips(_ client: MQTTClient) async throws {
    try await withTaskExecutorPreference(client.taskExecutor) {
        for number in 1...1_000 { _ = try await client.publish(Payload("\(number)"), to: "plant/ping", .atLeastOnce).completed }
    }
}
// snippet.end
