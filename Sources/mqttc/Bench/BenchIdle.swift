import ArgumentParser
import Histogram
import MQTT

/// `mqttc bench idle`
struct BenchIdle: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle",
        abstract: "Hold connections open, and measure what they cost.",
        discussion: """
            Latencies are round trips of one PINGREQ for each connection at the end. lost are connections that broke meanwhile.

            EXAMPLES:
              $ mqttc bench idle --clients 1000 --seconds 10
              $ mqttc bench idle --clients 10000 --seconds 60 -k 30 --json
            """
    )

    @OptionGroup var common: BenchArguments

    @Option(parsing: .unconditional, help: "How long.")
    var seconds = 10.0

    func validate() throws {
        try Bounds.check(seconds, in: Bounds.seconds, "--seconds", "seconds")
    }

    func run() async throws {
        let (common, output, duration, meter) = (common, LineWriter(), seconds, BenchMeter())
        let began = Ticks.now
        try await common.running(clients: common.clients) { configuration in
            // Thousands of connections begin with small buffers.
            configuration.limits.receivedBytes = 1 << 16
        }.runAll(output: output) { clients in
            let connected = Double(Ticks.now - began) / 1e9
            let losses = ConnectionLosses(clients)
            let start = Ticks.now
            let display = Descriptor.error.isTerminal ? Self.display(clients.count, losses, until: duration) : nil
            try await Task.sleep(for: .seconds(duration))
            display?.cancel()
            await display?.value
            let held = Double(Ticks.now - start) / 1e9
            var histogram = BenchMeter.emptyHistogram
            for client in clients {
                let begin = Ticks.now
                guard (try? await client.ping(timeout: .seconds(10))) != nil else {
                    meter.lose()
                    continue
                }
                histogram.record(Ticks.now - begin)
            }
            let report = BenchReport(
                mode: "idle", clients: clients.count, count: clients.count, seconds: held, lost: max(losses.count, meter.lost),
                duplicated: 0,
                latencies: histogram, usage: System.usage, unit: "connections")
            output.write(common.json ? report.json : report.table)
            if !common.json { output.write(Array("  connecting   \(Quantity.decimal(connected, 3)) s\n".utf8)) }
            if report.lost > 0 { throw Running.Exit(status: ExitStatus.failure) }
        }
    }

    private static func display(_ count: Int, _ losses: ConnectionLosses, until duration: Double) -> Task<Void, Never> {
        Task {
            let start = Ticks.now
            while (try? await Task.sleep(for: .milliseconds(250))) != nil {
                let seconds = Double(Ticks.now - start) / 1e9
                let time = "\(Quantity.decimal(seconds, 0)) of \(Quantity.decimal(duration, 0)) s"
                StatusLine.show("\(Quantity.grouped(count)) connections, \(losses.count) lost, \(time)")
            }
            StatusLine.clear()
        }
    }
}
