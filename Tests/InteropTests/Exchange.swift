// What every way to a broker must bear.
import MQTT
import Testing

/// Messages of each level go to the broker and back.
func exchange(over broker: Broker) async throws {
    try await MQTTClient(Configuration(broker: broker, session: .volatile(id: "client"))).run { client in
        try await client.waitUntilOnline()
        try await client.subscribe(to: "way/+") { messages in
            for qos in QoS.allCases { try await client.publish(Payload("\(qos)"), to: "way/there", qos) }
            var iterator = messages.makeAsyncIterator()
            for qos in QoS.allCases { #expect(try await iterator.next()?.payload.string == "\(qos)") }
        }
    }
}

/// The error of an attempt to connect that must fail.
func failureToConnect(to broker: Broker) async throws -> MQTTError {
    var configuration = Configuration(broker: broker, session: .volatile(id: "client"))
    configuration.retriesFirstConnect = false
    let client = try MQTTClient(configuration)
    return try #require(await #expect(throws: MQTTError.self) { try await client.run() })
}

extension TLSOptions {
    /// What the clients of these tests trust.
    static var tests: TLSOptions {
        get async throws {
            var options = TLSOptions()
            options.roots = .file(try await Certificates.shared.authority)
            return options
        }
    }
}

extension Mosquitto {
    /// A stream of numbered messages over two restarts: nothing is lost, and at QoS 2 nothing doubled.
    ///
    /// The settings of the broker need `log_type all`.
    func expectNothingIsLost(over broker: Broker, _ qos: QoS, count: Int = 3_000) async throws {
        try await withClient("receiver", { $0.broker = broker }) { receiver in
            try await receiver.subscribe(to: "numbers", atMost: qos) { messages in
                try await withClient("sender", { $0.broker = broker }) { sender in
                    async let sent: Void = sender.publish(numbers: 0..<count, to: "numbers", qos)
                    var arrivals = Arrivals()
                    for third in 1...3 {
                        try await messages.receive(upTo: count * third / 3, into: &arrivals)
                        if third < 3 { try await restart() }
                    }
                    try await sent
                    // The message at hand is acknowledged with the next request, so each loop begins with the last of the one before.
                    #expect(qos == .atLeastOnce || arrivals.repeats <= 2 + publishesAfterPubrec(to: "receiver"))
                }
            }
        }
    }
}
