import ArgumentParser
import MQTT
import NIOCore
import Synchronization

/// `mqttc watch`
struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch the topics of a broker as a live tree.",
        discussion: """
            Each topic with its rate, the size, age and content of its last message, and R when the broker keeps it. When standard \
            output is no terminal, each message is a line: time, topic, R or -, and the payload.

            KEYS: arrows or h j k l move, Enter opens and closes, e and c open and close everything, s sorts by rate or by name, \
            / searches, p pauses, q ends.

            EXAMPLES:
              $ mqttc watch
              $ mqttc watch mqtt://broker.example.com -t 'plant/#' --sort rate
              $ mqttc watch -t '#' -t '$SYS/#' --expand
              $ mqttc watch -C 100 > topics.txt
            """
    )

    @OptionGroup var connection: ConnectionArguments

    @Option(
        name: .shortAndLong, parsing: .unconditionalSingleValue,
        help: "A topic filter. May be given several times, or in the URL. (default: #)")
    var topic: [String] = []

    @Option(
        name: .shortAndLong, parsing: .unconditional, help: "The highest QoS at which messages may come. (default: 0)",
        transform: QoS.argument)
    var qos = QoS.atMostOnce

    @Option(help: ArgumentHelp("name or rate.", valueName: "order"))
    var sort = "name"

    @Option(help: ArgumentHelp("Show topics that contain this.", valueName: "text"))
    var search = ""

    @Flag(help: "All levels are open at first.")
    var expand = false

    @Option(name: [.customShort("C"), .customLong("count")], parsing: .unconditional, help: "End after so many messages.")
    var count: Int?

    @Option(
        name: [.customShort("W"), .customLong("timeout")], parsing: .unconditional,
        help: ArgumentHelp("End so long after the connection was made, with exit status 75.", valueName: "seconds"))
    var timeout: Double?

    func validate() throws {
        for filter in filters { try TopicFilter.check(filter) }
        guard sort == "name" || sort == "rate" else { throw ValidationError("--sort is name or rate.") }
        try Bounds.check(count, in: 1...Bounds.mostMessages, "-C")
        try Bounds.check(timeout: timeout)
    }

    private var filters: [String] {
        let given = topic + (connection.topicOfURL.map { [$0] } ?? [])
        return given.isEmpty ? ["#"] : given
    }

    func run() async throws {
        let output = LineWriter()
        let subscriptions = filters.map { Subscription($0, atMost: qos) }
        var running = Running(connection: connection, timeout: timeout.map { .seconds($0) })
        let count = count ?? .max
        guard Descriptor.output.isTerminal, Terminal.size != nil else {
            return try await running.run(output: output) { client in
                try await Self.subscribe(client, subscriptions)
                try await PlainWatch(output: output, count: count).run(client.messages)
            }
        }
        let view = WatchView(broker: connection.brokerName, order: sort == "rate" ? .rate : .name, expandsAll: expand, search: search)
        let screen = WatchScreen(view, output: output, count: count)
        running.restore = { screen.close() }
        try await running.run { client in
            try await Self.subscribe(client, subscriptions)
            try await screen.run(client)
        }
    }

    private static func subscribe(_ client: MQTTClient, _ subscriptions: [Subscription]) async throws {
        try await client.subscribe(to: subscriptions, timeout: .seconds(30))
    }
}

/// What is shown of a payload.
struct PayloadPreview {
    /// Of the first bytes: nobody has wider screens.
    private static let length = 512

    let text: String
    let size: Int

    /// Nil when the connection was lost within it.
    init?(_ payload: Payload) async {
        size = payload.count
        if let buffer = payload.buffer {
            text = DisplayText.preview(buffer.readableBytesView.prefix(Self.length), isCut: size > Self.length)
            return
        }
        var first: [UInt8] = []
        do throws(MQTTError) {
            for try await chunk in payload.chunks where first.count < Self.length {
                first += chunk.readableBytesView.prefix(Self.length - first.count)
            }
        } catch {
            return nil
        }
        text = DisplayText.preview(first, isCut: size > Self.length)
    }
}

/// Without a terminal: each message is a line.
struct PlainWatch {
    let output: LineWriter
    let count: Int

    func run(_ messages: Messages) async throws {
        var remaining = count
        var iterator = messages.makeAsyncIterator()
        while remaining > 0, let message = try await iterator.next() {
            guard let preview = await PayloadPreview(message.payload) else { continue }
            var line = WallTime().formatted("%H:%M:%S ")
            line += Array("\(DisplayText.safe(message.topic)) \(message.retain ? "R" : "-") \(preview.text)\n".utf8)
            guard await output.writeThrough(line) else { throw Running.Exit(status: ExitStatus.failure) }
            remaining -= 1
        }
        iterator.acknowledge()
    }
}
