// Tests an application without any broker.
import MQTT
import MQTTTesting

// snippet.application
/// Takes whatever publishes and subscribes: an `MQTTClient`, or a double of it.
func thermostat(_ client: some MQTTPublisher & MQTTSubscriber) async throws {
    try await client.subscribe(to: "set/+") { messages in
        for try await message in messages {
            try await client.publish(message.payload, to: "state", .atLeastOnce)
        }
    }
}
// snippet.end

// snippet.mock
let mock = ClientMock(expecting: [
    .subscribe(to: "set/+", receiving: [Message("20", to: "set/hall", .atLeastOnce)]),
    .publish("20", to: "state", .atLeastOnce),
])
mock.source.finish()
try await thermostat(mock)
precondition(mock.deviations.isEmpty, "\(mock.deviations)")
// snippet.end

// snippet.stub
let full = MQTTError(.tooManyRequests, .notSent, "the queue is full")
let stub = ClientStub(publishing: .refused(full), source: MessageSource([Message("20", to: "set/hall", .atLeastOnce)]))
do {
    try await thermostat(stub)
} catch let error as MQTTError {
    precondition(error == full && stub.source.acknowledged.isEmpty, "what was not published is not acknowledged")
}
// snippet.end
