// Decides by the fate of an error, not by its code.
import MQTT

let client = try MQTTClient(broker: "mqtt://127.0.0.1", session: .volatile(id: "meter"))

// snippet.fate
func publish(_ reading: String, with client: some MQTTPublisher) async -> Bool {
    do {
        try await client.publish(Payload(reading), to: "meter/reading", .atLeastOnce)
        return true
    } catch {
        switch error.fate {
        case .denied: print("never: \(error)")  // The same call would fail again.
        case .notSent: print("later: \(error)")  // Nothing happened. It may be tried again.
        case .unknown: print("perhaps: \(error)")  // It may have arrived.
        case .refusedByBroker: print("no: \(error)")  // The broker said so.
        case .kept: print("goes on: \(error)")  // Only the wait ended.
        }
        return false
    }
}
// snippet.end

try await client.run { client in
    // snippet.states
    let states = Task {
        for await state in client.connectionStates {
            switch state {
            case .online(let online): print(online.sessionPresent ? "online" : "online with a new session")
            case .offline(let reason): print("offline: \(reason)")
            case .attemptFailed(let reason): print("still offline: \(reason)")
            case .closed: print("the end")
            }
        }
    }
    // snippet.end
    _ = await publish("230.1", with: client)
    states.cancel()
}
