import MQTT
import NIOCore
import Testing

@Suite struct SmokeTests {
    @Test(arguments: [QoS.atMostOnce, .atLeastOnce, .exactlyOnce])
    func exchange(qos: QoS) async throws {
        let configuration = Configuration(broker: .tcp(host: "127.0.0.1", port: 18899), session: .volatile(id: "smoke-\(qos)", clean: true))
        let client = try MQTTClient(configuration)
        try await client.run { client in
            try await client.waitUntilOnline()
            try await client.subscribe(to: "smoke/\(qos)/#") { messages in
                for i in 0..<1000 { try await client.publish(Payload("\(i)"), to: "smoke/\(qos)/a", qos) }
                var n = 0
                for try await message in messages {
                    #expect(message.payload.string == "\(n)")
                    n += 1
                    if n == 1000 { break }
                }
            }
        }
    }
}
