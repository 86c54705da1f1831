import ArgumentParser
import MQTT

/// `mqttc test`
struct TestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Find out whether a broker can be reached, and what it can do.",
        discussion: """
            It tries: versions, client identifiers, sessions, all QoS levels, retained messages, wildcards, shared subscriptions and \
            a payload of 1 MiB, on a topic of its own below mqttc/test, and leaves nothing behind. The exit status tells whether \
            the broker accepts the client; what it cannot do is in the table.

            EXAMPLES:
              $ mqttc test
              $ mqttc test mqtt://me@broker.example.com --ask-password
              $ mqttc test -h broker.example.com --json | jq .v50.ok
            """
    )

    @OptionGroup var connection: ConnectionArguments

    @Option(
        name: [.customShort("W"), .customLong("timeout")], parsing: .unconditional,
        help: ArgumentHelp("How long to wait for each answer.", valueName: "seconds"))
    var timeout = 5.0

    @Flag(help: "One object of JSON on one line.")
    var json = false

    func validate() throws {
        try Bounds.check(timeout: timeout)
        if connection.topicOfURL != nil { throw ValidationError("test takes no topic.") }
    }

    func run() async throws {
        let command = self
        let output = LineWriter()
        var running = Running(connection: connection)
        let adjust: @Sendable (inout Configuration) -> Void = { configuration in
            configuration.connectTimeout = .seconds(command.timeout)
            configuration.pauseTimeout = .seconds(command.timeout)
        }
        running.adjust = adjust
        try await running.run(output: output) { client in
            let report = ProbeReport()
            var configuration = try command.connection.configuration(client: 1)
            adjust(&configuration)
            let probe = BrokerProbe(configuration: configuration, client: client, report: report, patience: .seconds(command.timeout))
            await probe.run()
            let name = command.connection.brokerName
            output.write(command.json ? report.json(name) : report.table(name))
        }
    }
}
