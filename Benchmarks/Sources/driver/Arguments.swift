import MQTT

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The command line, which the C drivers share, and the environment.
struct Arguments: Sendable {
    let scenario: String
    let host: String
    let port: Int
    let count: Int
    let size: Int
    let window: Int
    /// The digit behind pub and sub.
    let qos: QoS

    init?(_ words: [String]) {
        guard words.count >= 6, let port = Int(words[3]), let count = Int(words[4]), let size = Int(words[5]) else { return nil }
        (scenario, host, self.port, self.count, self.size) = (words[1], words[2], port, count, size)
        window = words.count > 6 ? Int(words[6]) ?? 1 : 1
        qos = scenario.dropFirst(3).first.flatMap { UInt8(String($0)) }.flatMap(QoS.init(rawValue:)) ?? .atLeastOnce
    }

    var isDurable: Bool { scenario.hasSuffix("-durable") || scenario == "fill" || scenario == "start" }

    /// Tasks that publish at the same time.
    var publishers: Int { Arguments.environment("PUBLISHERS").flatMap { Int($0) } ?? 8 }

    /// Sequences with a subscription of their own.
    var sequences: Int { Arguments.environment("SEQUENCES").flatMap { Int($0) } ?? 1_000 }

    var payload: Payload { Payload(bytes: [UInt8](repeating: UInt8(ascii: "x"), count: size)) }

    func configuration(_ id: String = "bench") -> Configuration {
        let start: SessionOptions.Start = scenario == "start" ? .resume : .new
        let store = Arguments.environment("STORE") ?? "swift-store"
        let session: SessionOptions = isDurable ? .durable(id: id, at: store, start) : .volatile(id: id, clean: true)
        var broker = Broker.tcp(host: host, port: port)
        if let roots = Arguments.environment("TLS") {
            broker.tls = TLSOptions()
            broker.tls?.roots = .file(roots)
        }
        if let path = Arguments.environment("WEBSOCKET") { broker.webSocket = WebSocketOptions(path: path) }
        var configuration = Configuration(broker: broker, session: session)
        let window = min(max(window, 1), 49_152)
        configuration.limits.inFlight = window
        configuration.limits.exactlyOnceInFlight = window
        configuration.limits.atLeastOnce = 2_000_000
        configuration.limits.exactlyOnce = 2_000_000
        configuration.limits.queuedBytes = 1 << 40
        configuration.unclaimed.grace = .seconds(600)
        return configuration
    }

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
