import ArgumentParser
import MQTT

/// `mqttc pub`
struct Pub: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publish messages.",
        discussion: """
            Without -m, -f, -l and -n, standard input as a whole is the payload. \
            The command ends when every message is complete: at QoS 1 and 2 the broker has acknowledged it, at QoS 0 the operating \
            system has taken it. A lost connection is made anew, and what was not complete goes out again (QoS 1 and 2). \
            Payloads of files and of standard input are not held in memory beyond 1 MiB.

            With --outbox a message is safe in a directory before anything else: it is accepted without a connection, and survives \
            whatever ends the program. Each run with the same directory goes on with what is there; --flush does nothing else. \
            When the broker cannot be reached, the exit status is 0, because the message was accepted; with --flush it is 69. \
            It is 65 when the broker rejects the first message that waits, which is named; those behind it wait too, \
            until --drop-first drops it. \
            The directory is for one run at a time: another one waits for it, 10 seconds or what -W says, and then ends with 74.

            EXAMPLES:
              $ mqttc pub -t greetings -m hello
              $ mqttc pub mqtt://broker.example.com/plant/alert -m fire -q 2 -r
              $ mqttc pub -h broker.example.com -t camera/1 -f picture.jpg -q 1
              $ tail -f log | mqttc pub -t log -l -q 1
              $ mqttc pub -t plant/alert -n -r              # clear what is retained
              $ mqttc pub -t tick -m tock --repeat 10 --repeat-delay 0.5
              $ mqttc pub --outbox ~/outbox -t a -m b -q 1  # also when offline
              $ mqttc pub --outbox ~/outbox --flush         # deliver what waits
              $ mqttc pub --outbox ~/outbox --drop-first    # give up what is rejected
              $ mqttc pub -u me --password-file ~/.secret -t a -m b
            """
    )

    @OptionGroup var connection: ConnectionArguments

    @Option(name: .shortAndLong, parsing: .unconditional, help: "The topic. It can also be in the URL.")
    var topic: String?

    // What is published is asked for once. Repetitions are kept, because the parser would take the last one and say nothing.
    @Option(name: .shortAndLong, parsing: .unconditionalSingleValue, help: "The payload.")
    var message: [ArgumentBytes] = []

    @Option(
        name: .shortAndLong, parsing: .unconditionalSingleValue,
        help: ArgumentHelp("The content of a file is the payload.", valueName: "file"))
    var file: [String] = []

    @Flag(name: [.customShort("s"), .customLong("stdin-file")], help: "Standard input as a whole is the payload, and not empty.")
    var inputs: Int

    @Flag(name: [.customShort("l"), .customLong("stdin-line"), .customLong("lines")], help: "Each line of standard input is a message.")
    var byLine: Int

    @Flag(name: [.customShort("n"), .customLong("null-message")], help: "A message without payload.")
    var empties: Int

    @Option(
        name: .shortAndLong, parsing: .unconditional, help: "0: at most once, 1: at least once, 2: exactly once. (default: 0)",
        transform: QoS.argument)
    var qos = QoS.atMostOnce

    @Flag(name: .shortAndLong, help: "The broker keeps the message for subscribers to come.")
    var retain = false

    @Option(
        name: .customLong("repeat"), parsing: .unconditional,
        help: ArgumentHelp("Publish the message so many times.", valueName: "count"))
    var repeatCount = 1

    @Option(
        name: .customLong("repeat-delay"), parsing: .unconditional, help: ArgumentHelp("Wait between them.", valueName: "seconds"))
    var repeatDelay = 0.0

    @Option(
        name: [.customShort("M"), .customLong("max-inflight")], parsing: .unconditional,
        help: ArgumentHelp(
            "Messages of QoS 1 and 2 on their way at a time. (default: \(Publisher.window), of QoS 2 \(Publisher.exactlyOnceWindow))",
            valueName: "count"))
    var inFlight: Int?

    @Option(
        name: [.customShort("W"), .customLong("timeout")], parsing: .unconditional,
        help: ArgumentHelp("Give up so long after the connection was made, with exit status 75.", valueName: "seconds"))
    var timeout: Double?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("A directory that keeps messages of QoS 1 and 2 until the broker has them.", valueName: "directory"))
    var outbox: String?

    @Flag(help: "Deliver what is in the outbox, and end.")
    var flush = false

    @Flag(help: "Drop the message that waits first in the outbox, and end. No connection is made.")
    var dropFirst = false

    func validate() throws {
        try checkOutbox()
        if messageCount > 1 { throw ValidationError("Only one of -m, -f, -s, -l and -n, and that once.") }
        if sendsNothingNew { return }
        guard let topic = topic ?? connection.topicOfURL else { throw ValidationError("A topic is needed: -t, or in the URL.") }
        try TopicName.check(topic)
        try Bounds.check(repeatCount, in: 1...Bounds.mostMessages, "--repeat")
        try Bounds.check(repeatDelay, in: Bounds.seconds, "--repeat-delay", "seconds")
        try Bounds.check(inFlight, in: Bounds.window, "-M")
        try Bounds.check(timeout: timeout)
    }

    private var sendsNothingNew: Bool { flush || dropFirst }
    private var messageCount: Int { message.count + file.count + inputs + byLine + empties }

    private func checkOutbox() throws {
        guard let outbox else {
            if sendsNothingNew { throw ValidationError("\(flush ? "--flush" : "--drop-first") needs --outbox.") }
            return
        }
        if outbox.isEmpty { throw ValidationError("--outbox is empty.") }
        if flush, dropFirst { throw ValidationError("Either --flush or --drop-first.") }
        if sendsNothingNew {
            if messageCount > 0 || topic != nil { throw ValidationError("\(flush ? "--flush" : "--drop-first") sends nothing new.") }
        } else if qos == .atMostOnce {
            throw ValidationError("--outbox needs -q 1 or -q 2: QoS 0 promises nothing.")
        }
    }

    var input: PayloadInput {
        if let message = message.first { return .bytes(message.bytes) }
        if let file = file.first { return .file(file) }
        if empties > 0 { return .bytes([]) }
        if byLine > 0 { return .lines }
        return .standardInput(mayBeEmpty: inputs == 0)
    }

    func run() async throws {
        let command = self
        let progress = PublishProgress(counting: outbox == nil ? .accepted : .completed)
        let topic = topic ?? connection.topicOfURL ?? ""
        if connection.quiet { Complaints.silence() }
        if !sendsNothingNew, let advice = TopicName.advice(topic) { Complaints.say(advice) }
        if let outbox {
            let run = OutboxRun(command: self, directory: outbox, progress: progress)
            return dropFirst ? try await run.dropFirst() : try await run.run()
        }
        let rejection = RejectionMonitor(progress, topic: topic)
        var running = Running(connection: connection, timeout: timeout.map { .seconds($0) })
        running.monitor = { client in await rejection.watch(client) }
        running.adjust = { configuration in
            configuration.limits.atLeastOnce = Publisher.window
            configuration.limits.exactlyOnce = Publisher.window
            configuration.limits.inFlight = command.inFlight ?? Publisher.window
            configuration.limits.exactlyOnceInFlight = command.inFlight ?? Publisher.exactlyOnceWindow
            configuration.whenQueueIsFull = .wait
        }
        try await running.run { client in
            // Not over what somebody types.
            let display = command.input.isTyped ? nil : progress.display()
            defer { display?.cancel() }
            var publisher = Publisher(
                client, topic: topic, qos: command.qos, retain: command.retain, progress: progress)
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
