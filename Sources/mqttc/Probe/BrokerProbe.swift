import MQTT
import NIOCore

/// Asks a broker what it can do, by trying it.
struct BrokerProbe: Sendable {
    let configuration: Configuration
    let client: MQTTClient
    let report: ProbeReport
    let patience: Duration

    /// Where messages are exchanged. Nobody else uses it.
    private let topic = "mqttc/test/" + String(UInt64.random(in: .min ... .max), radix: 36)

    init(configuration: Configuration, client: MQTTClient, report: ProbeReport, patience: Duration) {
        self.configuration = configuration
        self.client = client
        self.report = report
        self.patience = patience
    }

    func run() async {
        await askVersions()
        await askSessions()
        await tryPings()
        await tryLevels()
        await tryRetained()
        await tryWildcards()
        await trySharedSubscription()
        await tryLargePayload()
    }

    // MARK: Raw connections

    private func connack(
        level: UInt8 = 4, protocolName: String = "MQTT", clientID: String, isClean: Bool = true
    ) async -> (answer: ConnackBytes?, milliseconds: Double) {
        let (username, password) = configuration.credentials
        let packet = ConnectBytes(
            protocolName: protocolName, level: level, clientID: clientID, isClean: isClean, username: username, password: password
        ).packet
        let exchange = RawExchange(configuration: configuration, eventLoop: client.eventLoop)
        let begin = Ticks.now
        let bytes = try? await exchange.answer(to: packet, within: .nanoseconds(patience.nanosecondCount))
        return (bytes.flatMap { ConnackBytes($0, level: level) }, Double(Ticks.now - begin) / 1e6)
    }

    private func freshID(_ length: Int = 20) -> String {
        var id = "mqttc"
        while id.utf8.count < length { id += String(UInt8.random(in: 0..<36), radix: 36) }
        return id
    }

    private func askVersions() async {
        let old = await connack(level: 3, protocolName: "MQIsdp", clientID: freshID()).answer
        report.add("v31", "MQTT 3.1", old?.code == 0 ? .yes : .no)
        let (current, time) = await connack(clientID: freshID())
        report.add(
            "v311", "MQTT 3.1.1", current?.code == 0 ? .yes : .no, "connected in \(Quantity.decimal(time, 2)) ms",
            numbers: [("connectMilliseconds", time)])
        let new = await connack(level: 5, clientID: freshID()).answer
        report.add("v50", "MQTT 5.0", new?.code == 0 ? .yes : .no)
        if let new, new.code == 0 { tellLimits(new.properties) }
    }

    /// CONNACK of 5.0 tells limits; a property that is missing has the default of the standard (section 3.2.2.3).
    private func tellLimits(_ properties: [UInt8: Int]) {
        let limits = [
            ("receiveMaximum", "unacknowledged at a time", properties[0x21] ?? 65_535),
            ("maximumPacketSize", "largest packet, bytes", properties[0x27]), ("topicAliasMaximum", "topic aliases", properties[0x22] ?? 0),
            ("serverKeepAlive", "keep-alive, seconds", properties[0x13]),
            ("sessionExpirySeconds", "session expiry, seconds", properties[0x11]),
        ]
        for (name, title, value) in limits {
            report.add(
                name, "  " + title, nil, value.map { Quantity.grouped($0) } ?? "not limited",
                numbers: value.map { [("value", Double($0))] } ?? [])
        }
    }

    private func askSessions() async {
        let empty = await connack(clientID: "").answer
        report.add("emptyClientID", "empty client identifier", empty?.code == 0 ? .yes : .no)
        let long = await connack(clientID: freshID(128)).answer
        report.add("longClientID", "identifier of 128 bytes", long?.code == 0 ? .yes : .no)
        let id = freshID()
        let first = await connack(clientID: id, isClean: false).answer
        let second = await connack(clientID: id, isClean: false).answer
        let isKept = first?.code == 0 ? second?.sessionPresent : nil
        report.add("keepsSessions", "keeps sessions", isKept.map { $0 ? .yes : .no } ?? .unknown)
        // Nothing is left behind.
        _ = await connack(clientID: id)
    }

    // MARK: With the client

    private func tryPings() async {
        var times: [Double] = []
        for _ in 0..<10 {
            guard let time = try? await client.ping(timeout: patience) else { break }
            times.append(time / .milliseconds(1))
        }
        guard let least = times.min(), let most = times.max() else { return report.add("ping", "round trip of PINGREQ", .no) }
        let mean = times.reduce(0, +) / Double(times.count)
        report.add(
            "ping", "round trip of PINGREQ", .yes, "\(milliseconds(least)) to \(milliseconds(most)), mean \(milliseconds(mean))",
            numbers: [("minimumMilliseconds", least), ("meanMilliseconds", mean), ("maximumMilliseconds", most)])
    }

    private func milliseconds(_ value: Double) -> String { "\(Quantity.decimal(value, 2)) ms" }

    private func tryLevels() async {
        for qos in QoS.allCases {
            let name = "QoS \(qos.rawValue)"
            do {
                let (granted, message, time) = try await exchange(topic, filter: topic, qos)
                guard let message else {
                    report.add("qos\(qos.rawValue)", name, .no, "the message did not come back")
                    continue
                }
                let isFull = granted == qos && message.qos == qos
                report.add(
                    "qos\(qos.rawValue)", name, isFull ? .yes : .no,
                    isFull ? "there and back in \(milliseconds(time))" : "came at QoS \(message.qos.rawValue)",
                    numbers: [("roundTripMilliseconds", time)])
            } catch {
                report.add("qos\(qos.rawValue)", name, .no, describe(error))
            }
        }
    }

    private func tryWildcards() async {
        let outcome = await verdict { try await exchange(topic + "/a/b", filter: topic + "/+/#", .atLeastOnce).message != nil }
        report.add("wildcards", "wildcards", outcome.0, outcome.1)
    }

    /// Of 5.0, but many brokers have them for 3.1.1 too.
    private func trySharedSubscription() async {
        let outcome = await verdict {
            try await exchange(topic + "/shared", filter: "$share/mqttc/" + topic + "/shared", .atLeastOnce).message != nil
        }
        report.add("sharedSubscriptions", "shared subscriptions", outcome.0, outcome.1)
    }

    private func tryLargePayload() async {
        let size = 1 << 20
        let outcome = await verdict {
            let payload = Payload(bytes: [UInt8](repeating: UInt8(ascii: "x"), count: size))
            return try await exchange(topic + "/large", filter: topic + "/large", .atLeastOnce, payload: payload).message?.payload.count
                == size
        }
        report.add("largePayload", "payload of 1 MiB", outcome.0, outcome.1)
    }

    private func tryRetained() async {
        let topic = topic + "/retained"
        let outcome = await verdict {
            let delivery = try await client.publish("kept", to: topic, .atLeastOnce, retain: true)
            try await within { _ = try await delivery.completed }
            let isKept = try await receive(topic, .atLeastOnce) {}.message?.retain == true
            let clearing = try await client.clearRetained(topic)
            try await within { _ = try await clearing.completed }
            return isKept
        }
        report.add("retained", "retained messages", outcome.0, outcome.1)
    }

    // MARK: -

    private func verdict(_ attempt: () async throws -> Bool) async -> (ProbeReport.Verdict, String) {
        do {
            return (try await attempt() ? .yes : .no, "")
        } catch {
            return (.no, describe(error))
        }
    }

    private func describe(_ error: any Error) -> String { (error as? MQTTError)?.message ?? "\(error)" }

    /// Publishes to a topic, and waits for the message through a subscription.
    private func exchange(
        _ topic: String, filter: String, _ qos: QoS, payload: Payload = "probe"
    ) async throws -> (granted: QoS?, message: Message?, milliseconds: Double) {
        var begin: UInt64 = 0
        let (granted, message) = try await receive(filter, qos) {
            begin = Ticks.now
            _ = try await client.publish(payload, to: topic, qos)
        }
        return (granted, message, Double(Ticks.now - begin) / 1e6)
    }

    /// The first message through a subscription, if one comes in time.
    private func receive(_ filter: String, _ qos: QoS, _ publish: () async throws -> Void) async throws -> (
        granted: QoS?, message: Message?
    ) {
        let grants = try await client.subscribe(to: [Subscription(filter, atMost: qos)], timeout: patience)
        try await publish()
        let messages = client.messages
        let message = try? await within {
            var iterator = messages.makeAsyncIterator()
            let message = try await iterator.next()
            // A large payload has to be read before the next can come.
            if let payload = message?.payload, payload.isStreamed { for try await _ in payload.chunks {} }
            iterator.acknowledge()
            return message
        }
        try? await client.unsubscribe(from: [filter], timeout: patience)
        return (grants.first?.qos, message ?? nil)
    }

    private func within<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await work() }
            group.addTask { [patience] in
                try await Task.sleep(for: patience)
                return nil
            }
            let first = try await group.next() ?? nil
            group.cancelAll()
            guard let first else { throw MQTTError(.timeout, .unknown, "no answer in time") }
            return first
        }
    }
}

extension Duration {
    /// In whole nanoseconds.
    var nanosecondCount: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
