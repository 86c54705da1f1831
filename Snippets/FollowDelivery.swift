// Follows one publish of QoS 2 until the broker has it. The session is in memory: the message survives any number of
// connections, and ends with the process.
import MQTT

let client = try MQTTClient(broker: "mqtt://127.0.0.1", session: .volatile(id: "plant"))

try await client.run { client in
    // snippet.completed
    let delivery = try await client.publish("pressure", to: "plant/alert", .exactlyOnce)
    // Here: stored. There need not even be a connection yet.
    _ = try await delivery.completed
    // Here: the broker has it, once.
    // snippet.end
}

/// Tells each step of a delivery.
// snippet.progress
func report(_ delivery: Delivery) async {
    for await step in delivery.progress {
        switch step {
        case .stored: print("stored")
        case .interrupted(let reason): print("goes out again, because: \(reason)")
        case .completed: print("the broker has it")
        case .failed(let error): print("ended without the broker's confirmation: \(error)")
        }
    }
}
// snippet.end
