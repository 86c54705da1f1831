// The library behind the command line of the C drivers, so that all of them can be compared in one round:
//   driver pub0|pub1|pub2|pub1-durable|pub2-durable|sub0|sub1|sub2|rtt HOST PORT COUNT SIZE [WINDOW]
//   driver fill|start - 1 COUNT SIZE         # puts messages into a store without a broker; starts a client with what is there
// TLS names a file of trusted roots and WEBSOCKET a path, for these ways to the broker.
// STORE names the directory of the durable scenarios; it is removed by whoever made it.
import MQTT

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

struct Arguments {
    let scenario: String
    let host: String
    let port: Int
    let count: Int
    let size: Int
    let window: Int

    init?(_ words: [String]) {
        guard words.count >= 6, let port = Int(words[3]), let count = Int(words[4]), let size = Int(words[5]) else { return nil }
        (scenario, host, self.port, self.count, self.size) = (words[1], words[2], port, count, size)
        window = words.count > 6 ? Int(words[6]) ?? 1 : 1
    }

    var isDurable: Bool { scenario.hasSuffix("-durable") || scenario == "fill" || scenario == "start" }

    /// The digit behind pub and sub.
    var qos: QoS {
        scenario.dropFirst(3).first.flatMap { UInt8(String($0)) }.flatMap(QoS.init(rawValue:)) ?? .atLeastOnce
    }

    func configuration(_ id: String = "bench") -> Configuration {
        let store = getenv("STORE").map { String(cString: $0) } ?? "swift-store"
        let start: SessionOptions.Start = scenario == "start" ? .resume : .new
        let session: SessionOptions = isDurable ? .durable(id: id, at: store, start) : .volatile(id: id, clean: true)
        var broker = Broker.tcp(host: host, port: port)
        if let roots = getenv("TLS") {
            broker.tls = TLSOptions()
            broker.tls?.roots = .file(String(cString: roots))
        }
        if let path = getenv("WEBSOCKET") { broker.webSocket = WebSocketOptions(path: String(cString: path)) }
        var configuration = Configuration(broker: broker, session: session)
        let window = min(max(window, 1), 49_152)
        configuration.limits.inFlight = window
        configuration.limits.exactlyOnceInFlight = window
        configuration.limits.atLeastOnce = 1_000_000
        configuration.limits.exactlyOnce = 1_000_000
        configuration.limits.queuedBytes = 1 << 40
        configuration.unclaimed.grace = .seconds(600)
        return configuration
    }
}

struct Usage {
    let time = ContinuousClock.now
    let user: Double
    let system: Double

    #if canImport(Glibc)
        static let process = __rusage_who_t(RUSAGE_SELF.rawValue)
    #else
        static let process = RUSAGE_SELF
    #endif

    init() {
        var usage = rusage()
        getrusage(Usage.process, &usage)
        user = Double(usage.ru_utime.tv_sec) + Double(usage.ru_utime.tv_usec) / 1e6
        system = Double(usage.ru_stime.tv_sec) + Double(usage.ru_stime.tv_usec) / 1e6
    }

    static var peakKiB: Int {
        var usage = rusage()
        getrusage(Usage.process, &usage)
        return Int(usage.ru_maxrss)
    }
}

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

func report(_ arguments: Arguments, _ start: Usage, latencies: [Double] = []) {
    let end = Usage()
    let seconds = start.time.duration(to: end.time).inSeconds
    let processor = end.user - start.user + end.system - start.system
    var line = "RESULT peer=swift-mqtt scenario=\(arguments.scenario) count=\(arguments.count) size=\(arguments.size)"
    line += " window=\(arguments.window) secs=\(seconds) rate=\(Int(Double(arguments.count) / seconds))"
    if !latencies.isEmpty {
        let sorted = latencies.sorted()
        func percentile(_ permille: Int) -> Double { sorted[min(sorted.count - 1, sorted.count * permille / 1_000)] }
        line += " p50=\(percentile(500)) p99=\(percentile(990)) p999=\(percentile(999))"
    }
    line += " user=\(end.user - start.user) sys=\(end.system - start.system)"
    line += " cpu_us_per_msg=\(processor * 1e6 / Double(arguments.count)) hwm_kb=\(Usage.peakKiB)"
    print(line)
}

func publish(_ arguments: Arguments, _ client: MQTTClient) async throws {
    let payload = Payload(bytes: [UInt8](repeating: UInt8(ascii: "x"), count: arguments.size))
    guard arguments.qos != .atMostOnce else {
        for _ in 0..<arguments.count { try await client.publish(payload, to: "bench/topic") }
        // Answered behind everything before it.
        _ = try await client.ping()
        return
    }
    var outstanding: [Delivery] = []
    outstanding.reserveCapacity(arguments.window)
    var oldest = 0
    for _ in 0..<arguments.count {
        // `submit`, so that as many as the window allows wait for the disk and the broker at a time.
        if outstanding.count < arguments.window {
            outstanding.append(try client.submit(payload, to: "bench/topic", arguments.qos))
        } else {
            _ = try await outstanding[oldest].completed
            outstanding[oldest] = try client.submit(payload, to: "bench/topic", arguments.qos)
            oldest = (oldest + 1) % arguments.window
        }
    }
    for delivery in outstanding { _ = try await delivery.completed }
}

func subscribe(_ arguments: Arguments, _ client: MQTTClient) async throws {
    let filter = "flood/\(arguments.qos.rawValue)/\(arguments.count)/\(arguments.size)/\(max(arguments.window, 1))"
    let messages = client.messages
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { _ = try await client.subscribe(to: [Subscription(filter, atMost: arguments.qos)]) }
        var count = 0
        for try await _ in messages {
            count += 1
            if count == arguments.count { break }
        }
        try await group.waitForAll()
    }
}

func roundTrips(_ arguments: Arguments, _ client: MQTTClient) async throws -> [Double] {
    let payload = Payload(bytes: [UInt8](repeating: UInt8(ascii: "x"), count: arguments.size))
    var latencies: [Double] = []
    latencies.reserveCapacity(arguments.count)
    for _ in 0..<arguments.count {
        let start = ContinuousClock.now
        _ = try await client.submit(payload, to: "bench/topic", .atLeastOnce).completed
        latencies.append(start.duration(to: .now).inSeconds * 1e6)
    }
    return latencies
}

guard let arguments = Arguments(CommandLine.arguments) else {
    print("driver fill|start|pub0|pub1|pub2|pub1-durable|pub2-durable|sub0|sub1|sub2|rtt HOST PORT COUNT SIZE [WINDOW]")
    exit(2)
}
let start = Usage()
let client = try MQTTClient(arguments.configuration())
switch arguments.scenario {
case "start":
    report(arguments, start)
    var found = 0
    for try await _ in client.deliveries { found += 1 }
    print("RESULT peer=swift-mqtt scenario=list count=\(found) secs=\(start.time.duration(to: .now).inSeconds) hwm_kb=\(Usage.peakKiB)")
    await client.close()
    exit(found == arguments.count ? 0 : 1)
case "fill":
    let payload = Payload(bytes: [UInt8](repeating: UInt8(ascii: "x"), count: arguments.size))
    var last: Delivery?
    for _ in 0..<arguments.count { last = try client.submit(payload, to: "bench/topic", .atLeastOnce) }
    try await last?.stored()
    report(arguments, start)
    await client.close()
    exit(0)
default: break
}
try await client.run { client in
    try await client.waitUntilOnline()
    let start = Usage()
    switch arguments.scenario.prefix(3) {
    case "pub":
        try await publish(arguments, client)
        report(arguments, start)
    case "rtt": report(arguments, start, latencies: try await roundTrips(arguments, client))
    default:
        try await subscribe(arguments, client)
        report(arguments, start)
    }
    await client.close()
}
