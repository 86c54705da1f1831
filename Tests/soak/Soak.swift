import ArgumentParser
import Foundation
import Synchronization

/// The client against a real broker behind a network that fails all the time. scripts/soak starts the broker.
@main
struct Soak: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publishes through a proxy that cuts, stalls, swallows and refuses, and counts what arrives.",
        discussion: "Exits with 1 when a message was lost, changed, or doubled at QoS 2, or when memory or descriptors grew.")

    @Option(help: "The port of a broker on 127.0.0.1 that keeps its sessions.") var port: Int
    @Option(help: "How long faults go on.") var seconds = 600
    @Option(help: "The longest time between two faults, in milliseconds.") var faultEvery = 1_000
    @Option(help: "Messages a second at QoS 1, and as many at QoS 2.") var rate = 200
    @Option(help: "For the choice of the faults.") var seed: UInt64 = 1
    @Option(help: "Seconds between the lines of the table.") var sample = 60

    @Option(help: "Who is behind the proxy: publisher, subscriber, or both.") var faulty = "both"

    func run() async throws {
        guard let roles = faulty == "both" ? Set(SoakRun.Role.allCases) : SoakRun.Role(rawValue: faulty).map({ [$0] }) else {
            throw ValidationError("--faulty must be publisher, subscriber or both")
        }
        let run = try await SoakRun(
            SoakRun.Settings(
                brokerPort: port, duration: .seconds(seconds), faultInterval: .milliseconds(faultEvery), rate: rate, seed: seed,
                faulty: roles))
        let report = SoakReport()
        let reporting = Task { await self.report(run, report) }
        try await run.run()
        reporting.cancel()
        await reporting.value
        guard report.conclude(run) else { throw ExitCode.failure }
    }

    /// A line that is written over each second, where somebody looks, and one that stays for each sample.
    private func report(_ run: SoakRun, _ report: SoakReport) async {
        report.begin(run)
        var second = 0
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(1))
            second += 1
            report.live(run, second)
            if second % sample == 0 { report.sample(run, second) }
        }
    }
}
