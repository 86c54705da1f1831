// Proxies from Debian between the client and Mosquitto: tinyproxy for CONNECT, microsocks for SOCKS 5.
import Foundation
import MQTT
import NIOCore
import NIOPosix
import Testing

@Suite("Through proxies to Mosquitto", .mosquittoIsInstalled, .proxiesAreInstalled, .timeLimit(.minutes(1)))
struct ProxyTests {
    private static let listeners: [Mosquitto.Listener] = [
        .init(certificate: .server), .init(isWebSocket: true), .init(certificate: .server, isWebSocket: true),
    ]

    /// Every way to a broker, through a proxy.
    private func ways(_ mosquitto: Mosquitto, _ proxy: Proxy) async throws -> [Broker] {
        let tls = try await TLSOptions.tests
        var secure = Broker.webSocket(host: "localhost", port: mosquitto.ports[2])
        secure.tls = tls
        // The address of the certificate is the broker's; the proxy has another port, but the same address.
        let brokers = [
            .tcp(host: "localhost", port: mosquitto.port), .tls(host: "127.0.0.1", port: mosquitto.ports[0], tls),
            .tls(host: "localhost", port: mosquitto.ports[0], tls), .webSocket(host: "127.0.0.1", port: mosquitto.ports[1]), secure,
        ]
        return brokers.map { broker in
            var broker = broker
            broker.proxy = proxy
            return broker
        }
    }

    @Test("All transports, with and without credentials", arguments: ProxyServer.Kind.allCases, [false, true])
    func passes(_ kind: ProxyServer.Kind, _ asksForPassword: Bool) async throws {
        let mosquitto = try await Mosquitto.started(.init(listeners: Self.listeners))
        let server = try await ProxyServer(kind, asksForPassword: asksForPassword)
        for broker in try await ways(mosquitto, server.proxy) { try await exchange(over: broker) }
    }

    @Test("The proxy's own address does not make its certificate the broker's", arguments: ProxyServer.Kind.allCases)
    func certificateOfTheProxy(_ kind: ProxyServer.Kind) async throws {
        let mosquitto = try await Mosquitto.started(.init(listeners: [.init(certificate: .otherNameHere)]))
        let server = try await ProxyServer(kind, asksForPassword: false)
        var broker = try await Broker.tls(host: "localhost", port: mosquitto.ports[0], .tests)
        broker.proxy = server.proxy
        let error = try await failureToConnect(to: broker)
        #expect(error.code == .certificateNameMismatch, "\(error)")
    }

    @Test("A wrong password, and none, are refused in words", arguments: ProxyServer.Kind.allCases)
    func refused(_ kind: ProxyServer.Kind) async throws {
        let mosquitto = try await Mosquitto.started()
        let server = try await ProxyServer(kind, asksForPassword: true)
        var broker = Broker.tcp(host: "localhost", port: mosquitto.port)
        broker.proxy = server.proxy
        broker.proxy?.password = "wrong"
        var error = try await failureToConnect(to: broker)
        #expect(error.code == .proxyRefused, "\(error)")
        broker.proxy?.username = nil
        broker.proxy?.password = nil
        error = try await failureToConnect(to: broker)
        #expect(error.code == .proxyRefused, "\(error)")
    }

    @Test("A broker that the proxy cannot reach", arguments: ProxyServer.Kind.allCases)
    func unreachable(_ kind: ProxyServer.Kind) async throws {
        let server = try await ProxyServer(kind, asksForPassword: false)
        var broker = Broker.tcp(host: "localhost", port: try await freeLoopbackPort())
        broker.proxy = server.proxy
        let error = try await failureToConnect(to: broker)
        #expect(error.code == .proxyRefused, "\(error)")
    }

    @Test("Nothing is lost when the proxy goes and comes back", arguments: ProxyServer.Kind.allCases)
    func restarts(_ kind: ProxyServer.Kind) async throws {
        let mosquitto = try await Mosquitto.started()
        let server = try await ProxyServer(kind, asksForPassword: false)
        let count = 1_000
        try await mosquitto.withClient("receiver") { receiver in
            try await receiver.subscribe(to: "numbers", atMost: .exactlyOnce) { messages in
                try await mosquitto.withClient("sender", { $0.broker.proxy = server.proxy }) { sender in
                    async let sent: Void = sender.publish(numbers: 0..<count, to: "numbers", .exactlyOnce)
                    var arrivals = Arrivals()
                    try await messages.receive(upTo: count / 2, into: &arrivals)
                    try await server.restart()
                    try await messages.receive(upTo: count, into: &arrivals)
                    try await sent
                    // The message at hand was not acknowledged when the first loop ended, so the second begins with it.
                    #expect(arrivals.repeats == 1)
                }
            }
        }
    }
}
