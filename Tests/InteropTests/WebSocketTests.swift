// WebSocket against Mosquitto, alone and inside of TLS.
import Foundation
import MQTT
import NIOCore
import Testing

@Suite("WebSocket to Mosquitto", .mosquittoIsInstalled, .timeLimit(.minutes(2)))
struct WebSocketTests {
    private func started() async throws -> Mosquitto {
        try await Mosquitto.started(
            .init(moreLines: ["log_type all"], listeners: [.init(isWebSocket: true), .init(certificate: .server, isWebSocket: true)]))
    }

    private func broker(_ mosquitto: Mosquitto, isEncrypted: Bool) async throws -> Broker {
        var broker = try Broker("ws://localhost:\(mosquitto.ports[isEncrypted ? 1 : 0])/mqtt?any=query")
        broker.webSocket?.headers = [HTTPField("X-Request", "one")]
        if isEncrypted { broker.tls = try await .tests }
        return broker
    }

    @Test("Messages of all levels, by the settings and by URL")
    func exchanges() async throws {
        let mosquitto = try await started()
        for isEncrypted in [false, true] { try await exchange(over: broker(mosquitto, isEncrypted: isEncrypted)) }
        try await exchange(over: .webSocket(host: "127.0.0.1", port: mosquitto.ports[0]))
        var secure = try Broker("wss://127.0.0.1:\(mosquitto.ports[1])")
        secure.tls?.roots = .file(try await Certificates.shared.authority)
        try await exchange(over: secure)
    }

    @Test("Payloads larger than any frame, and many small ones", arguments: [false, true])
    func sizes(_ isEncrypted: Bool) async throws {
        let mosquitto = try await started()
        let broker = try await broker(mosquitto, isEncrypted: isEncrypted)
        try await mosquitto.withClient("client", { $0.broker = broker }) { client in
            try await client.subscribe(to: "size", atMost: .atLeastOnce) { messages in
                var iterator = messages.makeAsyncIterator()
                // Mosquitto 2.0.11 gives a WebSocket 4 KiB in each turn of its loop: a tenth of a second when nothing else happens.
                for size in [0, 125, 126, 65_535, 65_536, 300_000] {
                    let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 % 251) }
                    try await client.publish(Payload(bytes: payload), to: "size", .atLeastOnce)
                    var arrived: [UInt8] = []
                    if let message = try await iterator.next() {
                        for try await chunk in message.payload.chunks { arrived += chunk.readableBytesView }
                    }
                    #expect(arrived == payload)
                }
                // Few, for the same reason.
                async let sent: Void = client.publish(numbers: 0..<50, to: "size", .atLeastOnce)
                var arrivals = Arrivals()
                while arrivals.next < 50, let message = try await iterator.next() { try arrivals.note(message) }
                try await sent
            }
        }
    }

    @Test("Nothing is lost over restarts of the broker", arguments: [false, true], [QoS.atLeastOnce, .exactlyOnce])
    func restarts(_ isEncrypted: Bool, _ qos: QoS) async throws {
        let mosquitto = try await started()
        try await mosquitto.expectNothingIsLost(over: broker(mosquitto, isEncrypted: isEncrypted), qos)
    }

    @Test("A will is published when a client vanishes, not when it says DISCONNECT")
    func wills() async throws {
        let mosquitto = try await started()
        let broker = try await broker(mosquitto, isEncrypted: false)
        try await mosquitto.withClient("watcher") { watcher in
            try await watcher.subscribe(to: "will/+") { messages in
                for (name, isGraceful) in [("polite", true), ("gone", false)] {
                    let client = try mosquitto.client(name) {
                        $0.broker = broker
                        $0.will = Will("will of \(name)", to: "will/\(name)")
                    }
                    let run = Task { try await client.run() }
                    try await client.waitUntilOnline()
                    if isGraceful { try await client.disconnect() } else { await client.close() }
                    try await run.value
                }
                var iterator = messages.makeAsyncIterator()
                #expect(try await iterator.next()?.payload.string == "will of gone")
            }
        }
    }

    @Test("A broker without WebSocket, and a WebSocket in place of plain MQTT, are told at once")
    func mixedUp() async throws {
        let mosquitto = try await started()
        var error = try await failureToConnect(to: .webSocket(host: "localhost", port: mosquitto.port))
        #expect(error.code == .webSocketFailed || error.code == .down, "\(error)")
        error = try await failureToConnect(to: .tcp(host: "localhost", port: mosquitto.ports[0]))
        #expect(error.code == .protocolViolation || error.code == .down, "\(error)")
        error = try await failureToConnect(to: .tls(host: "localhost", port: mosquitto.ports[0], .tests))
        #expect(error.code == .tlsFailed, "\(error)")
    }
}
