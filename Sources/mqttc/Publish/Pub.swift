import ArgumentParser
import MQTT

/// `mqttc pub`
struct Pub: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publish messages.",
        discussion: """
            Without -m, -f, -l and -n, standard input as a whole is the payload.
            The command ends when every message is complete: at QoS 1 and 2 the broker has acknowledged it, at QoS 0 the operating
            system has taken it. A lost connection is made anew, and what was not complete goes out again (QoS 1 and 2).
            Payloads of files and of standard input are not held in memory beyond 1 MiB.

            With --outbox a message is safe in a directory before anything else: it is accepted without a connection, and survives
            whatever ends the program. Each run with the same directory goes on with what is there; --flush does nothing else.
            When the broker cannot be reached, the exit status is 0, because the message was accepted; with --flush it is 69.

            EXAMPLES:
              $ mqttc pub -t greetings -m hello
              $ mqttc pub mqtt://broker.example.com/plant/alert -m fire -q 2 -r
              $ mqttc pub -h broker.example.com -t camera/1 -f picture.jpg -q 1
              $ tail -f log | mqttc pub -t log -l -q 1
              $ mqttc pub -t plant/alert -n -r                       # clear the retained message
              $ mqttc pub -t tick -m tock --repeat 10 --repeat-delay 0.5
              $ mqttc pub --outbox ~/outbox -t a -m b -q 1           # also without a connection
              $ mqttc pub --outbox ~/outbox --flush                  # deliver what waits
              $ mqttc pub -u me --password-file ~/.secret -t a -m b
            """
    )

    @OptionGroup var connection: ConnectionArguments

    @Option(name: .shortAndLong, parsing: .unconditional, help: "The topic. It can also be in the URL.")
    var topic: String?

    @Option(name: .shortAndLong, parsing: .unconditional, help: "The payload.")
    var message: String?

    @Option(name: .shortAndLong, parsing: .unconditional, help: ArgumentHelp("The content of a file is the payload.", valueName: "file"))
    var file: String?

    @Flag(name: [.customShort("s"), .customLong("stdin-file")], help: "Standard input as a whole is the payload, and not empty.")
    var isInput = false

    @Flag(name: [.customShort("l"), .customLong("stdin-line"), .customLong("lines")], help: "Each line of standard input is a message.")
    var isByLine = false

    @Flag(name: [.customShort("n"), .customLong("null-message")], help: "A message without payload.")
    var isEmpty = false

    @Option(
        name: .shortAndLong, help: "0: at most once, 1: at least once, 2: exactly once. (default: 0)", transform: QoS.argument)
    var qos = QoS.atMostOnce

    @Flag(name: .shortAndLong, help: "The broker keeps the message for subscribers to come.")
    var retain = false

    @Option(name: .customLong("repeat"), help: ArgumentHelp("Publish the message so many times.", valueName: "count"))
    var repeatCount = 1

    @Option(name: .customLong("repeat-delay"), help: ArgumentHelp("Wait between them. (default: 0)", valueName: "seconds"))
    var repeatDelay = 0.0

    @Option(
        name: [.customShort("M"), .customLong("max-inflight")],
        help: ArgumentHelp("Messages of QoS 1 and 2 on their way at a time. (default: 1000, of QoS 2 20)", valueName: "count"))
    var inFlight: Int?

    @Option(
        name: [.customShort("W"), .customLong("timeout")],
        help: ArgumentHelp("Give up so long after the connection was made, with exit status 75.", valueName: "seconds"))
    var timeout: Double?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("A directory that keeps messages of QoS 1 and 2 until the broker has them.", valueName: "directory"))
    var outbox: String?

    @Flag(help: "Deliver what is in the outbox, and end.")
    var flush = false

    func validate() throws {
        try checkOutbox()
        if [message != nil, file != nil, isInput, isByLine, isEmpty].count(where: { $0 }) > 1 {
            throw ValidationError("Only one of -m, -f, -s, -l and -n.")
        }
        if flush { return }
        guard let topic = topic ?? connection.topicOfURL else { throw ValidationError("A topic is needed: -t, or in the URL.") }
        try TopicName.check(topic)
        guard repeatCount > 0 else { throw ValidationError("--repeat is at least 1.") }
        guard Self.seconds ~= repeatDelay else { throw ValidationError("--repeat-delay is 0 to a million seconds.") }
        if let inFlight, !(1...49_152 ~= inFlight) { throw ValidationError("-M is 1 to 49152.") }
        if let timeout, timeout <= 0 || !(Self.seconds ~= timeout) { throw ValidationError("-W is more than 0 seconds.") }
    }

    static let seconds = 0.0...1_000_000

    private func checkOutbox() throws {
        guard let outbox else {
            if flush { throw ValidationError("--flush needs --outbox.") }
            return
        }
        if outbox.isEmpty { throw ValidationError("--outbox is empty.") }
        if flush {
            let isSent = message != nil || file != nil || isInput || isByLine || isEmpty || topic != nil
            if isSent { throw ValidationError("--flush sends nothing new.") }
        } else if qos == .atMostOnce {
            throw ValidationError("--outbox needs -q 1 or -q 2: QoS 0 promises nothing.")
        }
    }

    var input: PayloadInput {
        if let message { return .bytes(Array(message.utf8)) }
        if let file { return .file(file) }
        if isEmpty { return .bytes([]) }
        if isByLine { return .lines }
        return .standardInput(mayBeEmpty: !isInput)
    }

    func run() async throws {
        let command = self
        let progress = PublishProgress()
        if let outbox { return try await OutboxRun(command: self, directory: outbox, progress: progress).run() }
        let rejection = RejectionMonitor(progress)
        var running = Running(connection: connection, timeout: timeout.map { .seconds($0) })
        running.monitor = { client in await rejection.watch(client) }
        running.adjust = { configuration in
            configuration.limits.atLeastOnce = Publisher.window
            configuration.limits.exactlyOnce = Publisher.window
            configuration.limits.inFlight = command.inFlight ?? Publisher.window
            configuration.limits.exactlyOnceInFlight = min(command.inFlight ?? 19, 49_152)
            configuration.whenQueueIsFull = .wait
        }
        try await running.run { client in
            let display = progress.display()
            defer { display?.cancel() }
            var publisher = Publisher(
                client, topic: command.topic ?? command.connection.topicOfURL ?? "", qos: command.qos, retain: command.retain,
                progress: progress)
            if case .lines = command.input {
                try await publisher.publishLines()
            } else {
                let payload = try await command.input.payload(progress)
                try await publisher.publish(payload, count: command.repeatCount, delay: .seconds(command.repeatDelay))
            }
            try await publisher.finish()
        }
    }
}
