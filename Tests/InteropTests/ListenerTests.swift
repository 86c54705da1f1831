// The ways to a broker: names, IPv6, Unix sockets.
import Foundation
import MQTT
import NIOCore
import NIOPosix
import Testing

@Suite("Ways to Mosquitto", .mosquittoIsInstalled, .timeLimit(.minutes(1)))
struct ListenerTests {
    private func exchange(over url: String) async throws {
        try await MQTTClient(broker: url, session: .volatile(id: "client")).run { client in
            try await client.waitUntilOnline()
            try await client.subscribe(to: "way/+") { messages in
                for qos in QoS.allCases { try await client.publish(Payload("\(qos)"), to: "way/there", qos) }
                var iterator = messages.makeAsyncIterator()
                for qos in QoS.allCases { #expect(try await iterator.next()?.payload.string == "\(qos)") }
            }
        }
    }

    @Test("By address, by name")
    func tcp() async throws {
        let mosquitto = try await Mosquitto.started()
        try await exchange(over: "mqtt://127.0.0.1:\(mosquitto.port)")
        try await exchange(over: "tcp://localhost:\(mosquitto.port)/")
    }

    @Test("Over a Unix socket")
    func unixSocket() async throws {
        let mosquitto = try await Mosquitto.started(Mosquitto.Settings(listensOnUnixSocket: true))
        try await exchange(over: "mqtt+unix://\(mosquitto.socketPath)")
    }

    @Test("Over IPv6", .enabled("this machine has no ::1") { await hasIPv6() })
    func ipv6() async throws {
        let mosquitto = try await Mosquitto.started(Mosquitto.Settings(listensOnIPv6: true))
        try await exchange(over: "mqtt://[::1]:\(mosquitto.port)")
    }

    @Test("A broker that is not there is told as a failed attempt, until it comes")
    func late() async throws {
        let mosquitto = try await Mosquitto()
        let client = try mosquitto.client("early")
        var states = client.connectionStates.makeAsyncIterator()
        let run = Task { try await client.run() }
        let delivery = try client.submit("early", to: "early", .exactlyOnce, retain: true)
        for _ in 0..<2 {
            let error = try #require(await states.next()?.failure)
            #expect(error.code == .down)
            #expect(error.fate == .notSent)
        }
        let error = await #expect(throws: MQTTError.self) { try await client.ping() }
        #expect(error?.code == .down)
        try await mosquitto.start()
        _ = try await delivery.completed
        try await client.disconnect()
        try await run.value
    }
}

private func hasIPv6() async -> Bool {
    let channel = try? await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup).bind(host: "::1", port: 0).get()
    try? await channel?.close()
    return channel != nil
}
