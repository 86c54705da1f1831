import ArgumentParser
import MQTT

/// `mqttc sub`
struct Sub: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Subscribe, and print the messages.",
        discussion: """
            A message is acknowledged after it was written. The command ends after -C messages, after -W seconds with exit status 75, \
            or with a signal. When the broker denies a subscription and grants others, it goes on with those, and the exit status is \
            66 in the end; when it denies all of them it ends at once.

            FORMAT: -F is the language of mosquitto_sub, and a few letters more.
              %t topic   %L its last level   %q QoS   %r retained   %d sent before
              %m packet identifier   %p payload   %l its length
              %x %X payload in hexadecimal   %b in base64
              %j JSON   %J JSON, the payload is JSON itself   %N the object of --json
              %I date and time   %U seconds since 1970
              @X strftime(3)'s %X   @N nanoseconds
              %% @@ \\\\ \\n \\t \\r \\a \\e \\v \\0
              %20t is a width, %-20t aligns to the left, %05l pads numbers, %.10t cuts.

            --json prints an object on a line for each message: time, topic, qos, retain, dup, packetID (QoS 1 and 2), and payload, \
            or payloadBase64 when the payload is not UTF-8.

            EXAMPLES:
              $ mqttc sub -t 'sensors/#' -v
              $ mqttc sub mqtt://broker.example.com -t plant/alert -t plant/state -q 2
              $ mqttc sub -t sensors/kitchen -C 1 -W 10         # one message, or status 75
              $ mqttc sub -t '#' -T 'sensors/#' -F '@H:@M:@S %-30t %p'
              $ mqttc sub -t '#' --json | jq .topic
              $ mqttc sub -t 'plant/#' --retained-only -W 1 -v  # what the broker has kept
              $ mqttc sub -t jobs -q 1 -c -i worker-1           # and what came meanwhile
            """
    )

    @OptionGroup var connection: ConnectionArguments

    @Option(name: .shortAndLong, parsing: .unconditionalSingleValue, help: "A topic filter. May be given several times, or in the URL.")
    var topic: [String] = []

    @Option(
        name: .shortAndLong, parsing: .unconditional, help: "The highest QoS at which messages may come. (default: 0)",
        transform: QoS.argument)
    var qos = QoS.atMostOnce

    @Option(name: [.customShort("C"), .customLong("count")], parsing: .unconditional, help: "End after so many messages.")
    var count: Int?

    @Option(
        name: [.customShort("W"), .customLong("timeout")], parsing: .unconditional,
        help: ArgumentHelp("End so long after the connection was made, with exit status 75.", valueName: "seconds"))
    var timeout: Double?

    @Flag(name: .customShort("E"), help: "End when the subscription is made, before any message.")
    var endsSubscribed = false

    @Flag(name: .customShort("R"), help: "No retained messages that were there before.")
    var skipsRetained = false

    @Flag(name: .customLong("retained-only"), help: "Retained messages that were there before alone; the first other one is the end.")
    var retainedOnly = false

    @Flag(name: .customLong("remove-retained"), help: "Clear each retained message that comes, at the broker.")
    var removesRetained = false

    @Option(
        name: [.customShort("T"), .customLong("filter-out")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Leave out messages whose topic matches. May be given several times.", valueName: "filter"))
    var filteredOut: [String] = []

    @Option(
        name: [.customShort("U"), .customLong("unsubscribe")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Unsubscribe, for sessions of -c. May be given several times. Without -t it ends then.", valueName: "filter"))
    var unsubscribed: [String] = []

    @Flag(name: .shortAndLong, help: "The topic comes before each payload.")
    var verbose = false

    @Option(name: [.customShort("F"), .customLong("format")], parsing: .unconditional, help: "How a message is printed, see above.")
    var format: String?

    @Flag(help: "An object of JSON on a line for each message.")
    var json = false

    @Flag(help: "The JSON of -F on several lines.")
    var pretty = false

    @Flag(name: .customShort("N"), help: "No line end behind a message.")
    var endsNoLine = false

    @Option(
        name: .customLong("random-filter"), parsing: .unconditional,
        help: ArgumentHelp("Print so much of the messages, by chance.", valueName: "percent"))
    var percentage = 100.0

    func validate() throws {
        if topics.isEmpty, unsubscribed.isEmpty { throw ValidationError("At least one topic is needed: -t, or in the URL.") }
        if json, pretty { throw ValidationError("--pretty is for %j and %J: what --json prints is one line for each message.") }
        try Bounds.check(count, in: 1...Bounds.mostMessages, "-C")
        try Bounds.check(timeout: timeout)
        if skipsRetained, retainedOnly { throw ValidationError("-R and --retained-only leave nothing.") }
        if json, format != nil { throw ValidationError("Either --json or -F.") }
        try Bounds.check(percentage, in: 0...100, "--random-filter", "percent")
        for filter in topics + filteredOut + unsubscribed { try TopicFilter.check(filter) }
        if let format {
            do throws(OutputFormat.Failure) {
                _ = try OutputFormat(format)
            } catch {
                throw ValidationError(error.message)
            }
        }
    }

    private var topics: [String] { topic + (connection.topicOfURL.map { [$0] } ?? []) }

    private var style: MessageWriter.Style {
        if json { return .format(OutputFormat(pieces: [.object])) }
        // It was checked.
        if let format, let parsed = try? OutputFormat(format) { return .format(parsed) }
        return verbose ? .verbose : .payload
    }

    func run() async throws {
        let output = LineWriter()
        let plan = Receiver.Plan(
            subscriptions: topics.map { Subscription($0, atMost: qos) }, unsubscribed: unsubscribed, filteredOut: filteredOut, count: count,
            endsSubscribed: endsSubscribed, skipsRetained: skipsRetained, retainedOnly: retainedOnly, removesRetained: removesRetained,
            percentage: percentage)
        let receiver = Receiver(
            plan: plan, writer: MessageWriter(style: style, endsLine: !endsNoLine, isPretty: pretty, output: output))
        var running = Running(connection: connection, timeout: timeout.map { .seconds($0) })
        running.statusOnSuccess = { receiver.isDenied ? ExitStatus.subscriptionDenied : 0 }
        try await running.run(output: output) { client in try await receiver.run(client) }
    }
}
