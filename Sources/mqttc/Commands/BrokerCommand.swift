import ArgumentParser
import MQTTTesting
import NIOCore

/// `mqttc broker`
struct BrokerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker",
        abstract: "Run the embedded broker, for tests and demonstrations.",
        discussion: """
            It keeps everything in memory, knows no access rights, and is not made for production. It listens on the loopback \
            interface only, until a signal ends it.

            EXAMPLES:
              $ mqttc broker
              $ mqttc broker --port 0          # any free port; the address is printed
            """
    )

    @Option(name: .shortAndLong, parsing: .unconditional, help: "The TCP port. 0 picks a free one.")
    var port = 1883

    @Option(name: .long, help: "The address to listen on. Another than loopback lets anybody in.")
    var host = "127.0.0.1"

    func validate() throws {
        try Bounds.check(port, in: 0...65_535, "The port")
    }

    func run() async throws {
        Descriptor.ignoreBrokenPipes()
        let signals = Signals()
        let broker: TestBroker
        do {
            var configuration = TestBroker.Configuration()
            configuration.address = .tcp(host: host, port: port)
            // Nobody asks what it has received.
            configuration.recordLimit = 0
            broker = try await TestBroker.start(configuration)
        } catch {
            let reason = (error as? IOError).map { SystemFile.Failure(code: $0.errnoCode).message } ?? "\(error)"
            Complaints.say("cannot listen on \(host):\(port): \(reason)")
            throw ExitCode(ExitStatus.unavailable)
        }
        let output = LineWriter()
        let authority = host.contains(":") ? "[\(host)]" : host
        output.write(Array("mqtt://\(authority):\(broker.port)\n".utf8))
        Complaints.say("this broker is for tests and demonstrations only; it keeps nothing when it ends")
        if let status = ExitStatus.of(output: await output.flush()) {
            try await broker.stop()
            throw ExitCode(status)
        }
        let number = await signals.first()
        try await broker.stop()
        if let number { throw ExitCode(ExitStatus.signal(number)) }
    }
}
