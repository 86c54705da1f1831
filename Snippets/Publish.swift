// Publishes at the three guarantees.
import MQTT

// snippet.client
let client = try MQTTClient(broker: "mqtt://127.0.0.1", session: .volatile(id: "weather-station"))
// snippet.end

// snippet.run
try await client.run { client in
    try await client.waitUntilOnline()
    // At most once: in the outbound buffer when the call returns.
    try await client.publish("20.8", to: "bedroom/temperature")

    // At least once: stored when the call returns. It will reach the broker, over any number of connections.
    try await client.publish("open", to: "bedroom/window", .atLeastOnce)

    // The broker keeps it for those who subscribe later, until another one takes its place or it is cleared.
    try await client.publish("1.4.2", to: "bedroom/firmware", .exactlyOnce, retain: true)
    try await client.clearRetained("bedroom/firmware", .exactlyOnce)
}
// Here: what was accepted is with the broker, unless five seconds (`drainTimeout`) were not enough, and DISCONNECT was said.
// snippet.end
