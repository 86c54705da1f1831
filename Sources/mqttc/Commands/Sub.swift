import ArgumentParser
import MQTT
import NIOCore

/// `mqttc sub`
struct Sub: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Subscribe, and print each message on a line.",
        discussion: """
            A message is acknowledged after it was written. The command ends after -C messages, or with a signal.

            EXAMPLES:
              $ mqttc sub -t 'sensors/#' -v
              $ mqttc sub mqtt://broker.example.com:1883 -t plant/alert -t plant/state -q 2
              $ mqttc sub -t sensors/kitchen -C 1
            """
    )

    @OptionGroup var broker: BrokerArguments

    @Option(name: .shortAndLong, parsing: .unconditionalSingleValue, help: "A topic filter. May be given several times.")
    var topic: [String]

    @Option(name: .shortAndLong, help: "The highest QoS at which messages may come. (default: 0)", transform: QoS.argument)
    var qos = QoS.atMostOnce

    @Option(name: [.customShort("C"), .customLong("count")], help: "End after so many messages.")
    var count: Int?

    @Flag(name: .shortAndLong, help: "The topic comes before each payload.")
    var verbose = false

    func validate() throws {
        if topic.isEmpty { throw ValidationError("At least one -t is needed.") }
        if let count, count < 1 { throw ValidationError("-C must be at least 1.") }
        for filter in topic {
            do {
                _ = try TopicFilter(filter)
            } catch {
                throw ValidationError(error.message)
            }
        }
    }

    func run() async throws {
        let command = self
        try await Running.client(broker) { client in
            let output = LineWriter()
            _ = try await client.subscribe(to: command.topic.map { Subscription($0, atMost: command.qos) }, timeout: .seconds(30))
            try await command.receive(client.messages, output)
            await output.flush()
        }
    }

    /// What may wait for standard output before messages of QoS 0, which need no acknowledgement, wait too.
    private static let backlogLimit = 1 << 20

    private func receive(_ messages: Messages, _ output: LineWriter) async throws {
        var remaining = count ?? .max
        // Asking for the next message acknowledges the one before.
        var iterator = messages.makeAsyncIterator()
        while let message = try await iterator.next() {
            guard try await write(message, output) else { continue }
            remaining -= 1
            if remaining == 0 { break }
        }
        iterator.acknowledge()
    }

    /// False when the connection was lost within the payload: it was not received.
    private func write(_ message: Message, _ output: LineWriter) async throws -> Bool {
        var line: [UInt8] = []
        if verbose {
            line.append(contentsOf: message.topic.utf8)
            line.append(UInt8(ascii: " "))
        }
        if let buffer = message.payload.buffer {
            line.append(contentsOf: buffer.readableBytesView)
        } else {
            // Whole before anything is written: should the connection be lost within it, it comes again.
            let buffer = try? await message.payload.collect(upTo: message.payload.count)
            guard let buffer else { return false }
            line.append(contentsOf: buffer.readableBytesView)
        }
        line.append(UInt8(ascii: "\n"))
        let isWritten =
            message.qos == .atMostOnce
            ? await output.write(line, backlog: Self.backlogLimit) : await output.writeThrough(line)
        // Nobody reads any more: what was not written is not acknowledged.
        guard isWritten else { throw Running.Exit(status: ExitStatus.failure) }
        return true
    }
}
