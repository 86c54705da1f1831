import ArgumentParser
import MQTT

/// `mqttc pub`
struct Pub: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publish messages.",
        discussion: """
            Without -m and -l, standard input as a whole is the payload.
            The command ends when every message is complete: at QoS 1 and 2 the broker has acknowledged it, at QoS 0 the operating
            system has taken it.

            EXAMPLES:
              $ mqttc pub -t greetings -m hello
              $ mqttc pub mqtt://broker.example.com:1883 -t plant/alert -m fire -q 2 -r
              $ mqttc pub -t camera/1 < picture.jpg
              $ tail -f log | mqttc pub -t log -l -q 1
              $ mqttc pub -t plant/alert -m '' -r          # clear the retained message
            """
    )

    @OptionGroup var broker: BrokerArguments

    @Option(name: .shortAndLong, parsing: .unconditional, help: "The topic.")
    var topic: String

    @Option(name: .shortAndLong, parsing: .unconditional, help: "The payload.")
    var message: String?

    @Flag(name: [.customShort("l"), .customLong("lines")], help: "Each line of standard input is a message.")
    var isByLine = false

    @Option(
        name: .shortAndLong, help: "0: at most once, 1: at least once, 2: exactly once. (default: 0)", transform: QoS.argument)
    var qos = QoS.atMostOnce

    @Flag(name: .shortAndLong, help: "The broker keeps the message for subscribers to come.")
    var retain = false

    func validate() throws {
        if message != nil, isByLine { throw ValidationError("-m and -l exclude each other.") }
        do {
            _ = try TopicName(topic)
        } catch {
            throw ValidationError(error.message)
        }
    }

    func run() async throws {
        let command = self
        try await Running.client(broker) { configuration in
            configuration.limits.atLeastOnce = Publisher.window
            configuration.limits.exactlyOnce = Publisher.window
            configuration.limits.inFlight = Publisher.window
        } _: { client in
            var publisher = Publisher(client, topic: command.topic, qos: command.qos, retain: command.retain)
            if let message = command.message {
                try await publisher.publish(Payload(message))
            } else if command.isByLine {
                try await publisher.publishLines()
            } else {
                try await publisher.publish(Payload(bytes: await StandardInput.whole()))
            }
            try await publisher.finish()
        }
    }
}
