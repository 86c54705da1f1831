import ArgumentParser
import MQTT

/// `mqttc bench`
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure a broker, or this client.",
        discussion: """
            Prints a table and a histogram of the latencies, or with --json one object on one line, with at least \
            messagesPerSecond, seconds, userSeconds, systemSeconds, p50Microseconds, p99Microseconds, p999Microseconds, \
            maxResidentKiB, lost and duplicated. CPU seconds and memory are those of this process from its beginning. Latencies that \
            a mode cannot measure are 0. \
            The exit status is 1 when a message of QoS 1 or 2 was lost, or one of QoS 2 came twice.

            EXAMPLES:
              $ mqttc bench pub --qos 1 --count 1000000 --window 1000
              $ mqttc bench sub --publish --qos 1 --size 100
              $ mqttc bench rtt mqtt://broker.example.com --count 1000
              $ mqttc bench idle --clients 1000 --seconds 10
              $ mqttc bench pub --rate 5000 --count 50000 --qos 1 --json
            """,
        subcommands: [BenchPub.self, BenchSub.self, BenchRoundTrip.self, BenchIdle.self]
    )
}

/// What all modes take.
struct BenchArguments: ParsableArguments {
    @OptionGroup var connection: ConnectionArguments

    @Option(parsing: .unconditional, help: "Connections.")
    var clients = 1

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: ArgumentHelp("The topic. (default: mqttc/bench)", discussion: "It can also be in the URL."))
    var topic: String?

    @Option(
        name: [.customShort("W"), .customLong("timeout")], parsing: .unconditional,
        help: ArgumentHelp("Give up so long after the connection was made, with exit status 75.", valueName: "seconds"))
    var timeout: Double?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "A directory for the session, which is then durable.",
            discussion: "What it held is removed. Further clients have directories beside it, with -1, -2 and so on behind the name.",
            valueName: "directory"))
    var store: String?

    @Flag(help: "One object of JSON on one line.")
    var json = false

    func validate() throws {
        try Bounds.check(clients, in: 1...100_000, "--clients")
        try Bounds.check(timeout: timeout)
        if store?.isEmpty == true { throw ValidationError("--store is empty.") }
        try TopicName.check(topicName)
    }

    var topicName: String { topic ?? connection.topicOfURL ?? "mqttc/bench" }

    func running(clients: Int, adjust: @escaping @Sendable (inout Configuration) -> Void) -> Running {
        if clients > 500 { System.raiseFileLimit() }
        var running = Running(connection: connection, timeout: timeout.map { .seconds($0) })
        running.clientCount = clients
        if let store { running.place = .scratch(store) }
        running.adjust = adjust
        return running
    }
}

/// What the modes that send messages take.
struct LoadArguments: ParsableArguments {
    @Option(
        name: .shortAndLong, parsing: .unconditional, help: "0, 1 or 2. (default: 0, with rtt 1)", transform: QoS.argument)
    var qos: QoS?

    @Option(parsing: .unconditional, help: ArgumentHelp("The payload of a message.", valueName: "bytes"))
    var size = 16

    @Option(
        name: [.customShort("C"), .customLong("count")], parsing: .unconditional,
        help: "Messages, of all clients together. (default: 100000, with rtt 10000)")
    var count: Int?

    @Option(parsing: .unconditional, help: "Messages of a client that are under way at a time.")
    var window = 1000

    @Option(
        name: [.customShort("M"), .customLong("max-inflight")], parsing: .unconditional,
        help: ArgumentHelp(
            "Messages of a client on the wire at a time. (default: the window, at QoS 2 \(Publisher.exactlyOnceWindow) at most)",
            discussion: "With more, Mosquitto as it comes ends the connection, or drops what is sent at QoS 1.", valueName: "count"))
    var inFlight: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Messages per second, of all clients together. (default: as fast as it goes)",
            discussion: "Latencies then count from when a message was due.", valueName: "number"))
    var rate: Double?

    func validate() throws {
        try Bounds.check(size, in: Bounds.payload, "--size", "bytes")
        try Bounds.check(count, in: 1...Bounds.mostMessages, "--count")
        try Bounds.check(window, in: Bounds.window, "--window")
        try Bounds.check(inFlight, in: Bounds.window, "-M")
        if let rate, !(rate > 0 && rate <= 1e9) { throw ValidationError("--rate is more than 0, and at most 1000000000.") }
    }

    @Sendable func adjust(_ configuration: inout Configuration) {
        configuration.limits.atLeastOnce = window
        configuration.limits.exactlyOnce = window
        configuration.limits.inFlight = inFlight ?? window
        configuration.limits.exactlyOnceInFlight = inFlight ?? min(window, Publisher.exactlyOnceWindow)
        configuration.limits.queuedBytes = .max
        configuration.whenQueueIsFull = .wait
    }
}
