// A session on disk: publishes that survive the process, found again after a restart, and messages that are processed once.
import MQTT

// snippet.client
// The journal of this session is in the directory, which belongs to it alone.
let client = try MQTTClient(
    broker: "mqtt://127.0.0.1", session: .durable(id: "gateway-7", at: "/var/lib/gateway/mqtt"))
// snippet.end

// snippet.damage
for damage in client.storeDamage { print("lost, everything else goes on: \(damage)") }
// snippet.end

try await client.run { client in
    // snippet.publish
    let delivery = try await client.publish(
        Publication("open valve 3", to: "plant/orders", .exactlyOnce, correlationKey: "order-4711"))
    // Here: on disk. It reaches the broker, whatever happens to the connection, to this process, or to the machine.
    _ = try await delivery.completed
    // Here: the broker has it.
    // snippet.end
    try await sendWhatIsMissing(client, Orders())
    try await process(client, Inbox())
}

// snippet.outbox
/// After a restart: what the application's database has as unsent, and the session does not know, was never accepted.
func sendWhatIsMissing(_ client: MQTTClient, _ orders: Orders) async throws {
    var onTheirWay: Set<String> = []
    for try await outstanding in client.deliveries {
        guard let key = outstanding.correlationKey else { continue }
        onTheirWay.insert(key)
        Task {
            _ = try await outstanding.delivery.completed
            try await orders.markAsSent(key)
        }
    }
    for order in try await orders.unsent() where !onTheirWay.contains(order.id) {
        let publication = Publication(Payload(order.text), to: "plant/orders", .exactlyOnce, correlationKey: order.id)
        _ = try await client.publish(publication).completed
        try await orders.markAsSent(order.id)
    }
}
// snippet.end

// snippet.inbox
/// Processes each message once, also when this process ends between the processing and the acknowledgement.
func process(_ client: MQTTClient, _ inbox: Inbox) async throws {
    try await client.subscribe(to: "plant/orders", atMost: .exactlyOnce) { messages in
        for try await message in messages {
            // The publisher puts a key of its own into each message: 3.1.1 has no name for one that outlives its delivery.
            guard let text = message.payload.string, let key = text.split(separator: " ").last else { continue }
            // One transaction: the key is written down with everything that the message leads to, or nothing is.
            try await inbox.once(String(key)) { try await $0.apply(text) }
            // Asking for the next message acknowledges this one.
        }
    }
}
// snippet.end

/// Stands for the application's database.
actor Orders {
    struct Order { var id, text: String }

    private var orders: [Order] = []

    func unsent() throws -> [Order] { orders }
    func markAsSent(_ id: String) throws { orders.removeAll { $0.id == id } }
}

/// Stands for a table of keys in the application's database, in the same transaction as its data.
actor Inbox {
    private var keys: Set<String> = []
    private var applied: [String] = []

    func once(_ key: String, _ body: (Inbox) async throws -> Void) async throws {
        guard keys.insert(key).inserted else { return }
        try await body(self)
    }

    func apply(_ text: String) throws { applied.append(text) }
}
