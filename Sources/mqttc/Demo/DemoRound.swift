import MQTT
import MQTTTesting

/// One QoS level of the demonstration: numbered messages from one client to another, while the broker cuts both connections.
struct DemoRound: Sendable {
    /// What was seen.
    struct Result: Sendable {
        let ledger: Ledger
        let cuts: Int
        let duration: Duration
    }

    private static let messageCount = 2_000
    /// The connections are cut whenever so many more messages have arrived.
    private static let cutInterval = 300
    private static let endTopic = "demo/end"

    let broker: TestBroker
    let qos: QoS

    private var topic: String { "demo/qos\(qos.rawValue)" }
    private var senderID: String { "demo-sender-\(qos.rawValue)" }
    private var receiverID: String { "demo-receiver-\(qos.rawValue)" }

    func run() async throws -> Result {
        let start = ContinuousClock.now
        let sender = try client(senderID)
        let receiver = try client(receiverID)
        let sent: Int
        var (ledger, cuts) = (Ledger(qos), 0)
        (sent, (ledger, cuts)) = try await receiver.run { receiver in
            let filters = [Subscription(topic, atMost: qos), Subscription(Self.endTopic)]
            _ = try await receiver.subscribe(to: filters, timeout: .seconds(5))
            return try await sender.run { sender in
                async let seen = watch(receiver.messages)
                return (try await send(sender), try await seen)
            }
        }
        for _ in 0..<sent { ledger.accept() }
        return Result(ledger: ledger, cuts: cuts, duration: ContinuousClock.now - start)
    }

    private func client(_ id: String) throws(MQTTError) -> MQTTClient {
        var configuration = Configuration(broker: .tcp(host: "127.0.0.1", port: broker.port), session: .volatile(id: id))
        configuration.reconnect.minimum = .milliseconds(10)
        configuration.reconnect.maximum = .milliseconds(100)
        return try MQTTClient(configuration)
    }

    /// Returns how many messages were accepted. What was accepted at QoS 1 and 2 must arrive.
    private func send(_ sender: MQTTClient) async throws(MQTTError) -> Int {
        var deliveries: [Delivery] = []
        while deliveries.count < Self.messageCount {
            do throws(MQTTError) {
                deliveries.append(try await sender.publish(Payload("\(deliveries.count)"), to: topic, qos))
            } catch  where error.fate == .notSent {
                // QoS 0 without a connection. Nothing happened, so the same number is used again.
                try await sender.waitUntilOnline()
            }
        }
        for delivery in deliveries {
            do throws(MQTTError) {
                _ = try await delivery.completed
            } catch  where qos == .atMostOnce {
                // The cut came while it was being sent. Nobody promised more.
            }
        }
        let end = try await sender.publish("", to: Self.endTopic, max(qos, .atLeastOnce))
        _ = try await end.completed
        return deliveries.count
    }

    /// Counts what arrives until the end, and has the connections cut in the middle of it.
    private func watch(_ messages: Messages) async throws -> (Ledger, Int) {
        var ledger = Ledger(qos)
        var cuts = 0
        for try await message in messages {
            if message.topic == Self.endTopic { break }
            ledger.receive(message.payload.string.flatMap { Int($0) } ?? -1)
            if ledger.received / Self.cutInterval > cuts {
                cuts += 1
                try await broker.cutConnections()
            }
        }
        return (ledger, cuts)
    }
}
