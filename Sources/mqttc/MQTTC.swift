import ArgumentParser

/// The command line: one binary, a subcommand for each job.
@main
struct MQTTC: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mqttc",
        abstract: "An MQTT client for the command line.",
        discussion: """
            EXAMPLES:
              $ mqttc demo
              $ mqttc sub -t 'sensors/#' -v
              $ mqttc pub -t sensors/kitchen -m 20.8 -q 1

            EXIT STATUS:
              0 done; 1 other failure; 64 usage; 65 publish rejected by the broker; 66 subscription denied;
              69 broker unreachable; 74 store failure; 75 time-out; 76 protocol violation or version refused;
              77 not authorised, bad credentials or client identifier refused;
              130 and 143 on SIGINT and SIGTERM, after a clean DISCONNECT.
            """,
        subcommands: [Pub.self, Sub.self, Pipe.self, BrokerCommand.self, Demo.self]
    )
}
