import ArgumentParser
import MQTT

/// `mqttc bench`
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure a broker, or this client.",
        discussion: """
            Prints a table and a histogram of the latencies, or with --json one object on one line, with at least
            messagesPerSecond, seconds, userSeconds, systemSeconds, p50Microseconds, p99Microseconds, p999Microseconds,
            maxResidentKiB, lost and duplicated. CPU seconds and memory are those of this process from its beginning. Latencies that
            a mode cannot measure are 0.
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

    @Option(help: "Connections.")
    var clients = 1

    @Option(name: .shortAndLong, help: ArgumentHelp("The topic. (default: mqttc/bench)", discussion: "It can also be in the URL."))
    var topic: String?

    @Option(
        name: [.customShort("W"), .customLong("timeout")],
        help: ArgumentHelp("Give up so long after the connection was made, with exit status 75.", valueName: "seconds"))
    var timeout: Double?

    @Option(
        help: ArgumentHelp(
            "A directory for the session, which is then durable.",
            discussion: "What it held is removed. Further clients have directories beside it, with -1, -2 and so on behind the name.",
            valueName: "directory"))
    var store: String?

    @Flag(help: "One object of JSON on one line.")
    var json = false

    func validate() throws {
        guard 1...100_000 ~= clients else { throw ValidationError("--clients is 1 to 100000.") }
        if let timeout, timeout <= 0 || !(Pub.seconds ~= timeout) { throw ValidationError("-W is more than 0 seconds.") }
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
    @Option(name: .shortAndLong, help: "0, 1 or 2. (default: 0, with rtt 1)", transform: QoS.argument)
    var qos: QoS?

    @Option(help: ArgumentHelp("The payload of a message.", valueName: "bytes"))
    var size = 16

    @Option(name: [.customShort("C"), .customLong("count")], help: "Messages, of all clients together. (default: 100000, with rtt 10000)")
    var count: Int?

    @Option(help: "Messages of a client that are under way at a time.")
    var window = 1000

    @Option(
        name: [.customShort("M"), .customLong("max-inflight")],
        help: ArgumentHelp(
            "Messages of a client on the wire at a time. (default: the window, at QoS 2 20 at most)",
            discussion: "Mosquitto as it comes ends the connection at the 21st of QoS 2, and drops QoS 1 beside 20.", valueName: "count"))
    var inFlight: Int?

    @Option(
        help: ArgumentHelp(
            "Messages per second, of all clients together. (default: as fast as it goes)",
            discussion: "Latencies then count from when a message was due.", valueName: "number"))
    var rate: Double?

    func validate() throws {
        guard 0...268_435_455 ~= size else { throw ValidationError("--size is 0 to 268435455 bytes.") }
        if let count, !(1...4_000_000_000 ~= count) { throw ValidationError("--count is 1 to 4000000000.") }
        guard 1...49_152 ~= window else { throw ValidationError("--window is 1 to 49152.") }
        if let inFlight, !(1...49_152 ~= inFlight) { throw ValidationError("-M is 1 to 49152.") }
        if let rate, !(rate > 0 && rate <= 1e9) { throw ValidationError("--rate is above 0.") }
    }

    @Sendable func adjust(_ configuration: inout Configuration) {
        configuration.limits.atLeastOnce = window
        configuration.limits.exactlyOnce = window
        configuration.limits.inFlight = inFlight ?? window
        configuration.limits.exactlyOnceInFlight = inFlight ?? min(window, 19)
        configuration.limits.queuedBytes = .max
        configuration.whenQueueIsFull = .wait
    }
}
