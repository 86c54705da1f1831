import ArgumentParser
import DriverSimulation
import Simulation

/// Runs worlds by the thousand, and shows what it takes to break one.
@main
struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a client against a broker on virtual time, with everything going wrong that can.",
        discussion: "The same seed gives the same run. A violation is shrunk, and printed with the command that replays it.")

    @Option(help: "The seed of the first world; the others follow.") var seed: UInt64 = 1
    @Option(help: "How many worlds.") var worlds = 1_000
    @Option(help: "Events of each session until the faults stop.") var events = 1_000
    @Option(help: "Threads to run on.") var threads = 2
    @Option(help: "Classes of faults to leave out, with commas.") var without = ""
    @Option(help: "Classes of faults to have alone, with commas.") var only = ""
    @Option(help: "A deliberate bug, to see that it is found.") var canary: String?
    @Flag(help: "Only worlds whose client has a store.") var durable = false
    @Flag(help: "The real client, on a simulated event loop.") var driver = false
    @Flag(name: [.customLong("replay"), .customLong("trace")], help: "Runs the world of the seed alone, and prints all that happens.")
    var replay = false
    @Flag(help: "Lists fault classes and canaries.") var list = false
    @Flag(help: "Prints how often each rare thing happened, and fails when one did not.") var marks = false
    @Flag(help: "Looks for each deliberate bug in up to --worlds worlds, and prints how many it took.") var canaries = false

    func run() async throws {
        if list { return printLists() }
        var campaign = Campaign(seed: seed, worlds: worlds, events: events)
        campaign.threads = threads
        campaign.isDurable = durable
        if driver {
            campaign.kind = .driver
            if durable || canary != nil || canaries {
                throw ValidationError("worlds with the real client have a store or not by their seed, and no canaries")
            }
        }
        campaign.faults = try only.isEmpty ? Faults.all.subtracting(faults(without)) : faults(only)
        if let canary {
            guard let known = Canary(rawValue: canary) else { throw ValidationError("unknown canary \(canary)") }
            campaign.canary = known
        }
        if replay { return try replay(campaign.settings(0), campaign.kind) }
        if canaries { return try await printCanaries(campaign) }
        let clock = ContinuousClock()
        let begin = clock.now
        let report = await campaign.run()
        summarize(report, campaign.kind.marks, begin.duration(to: clock.now))
        guard let first = report.findings.first else {
            if marks { try printMarks(report, campaign.kind.marks) }
            return
        }
        explain(first, among: report.findings)
        throw ExitCode.failure
    }

    private func replay(_ world: WorldSettings, _ kind: WorldKind) throws {
        var settings = world
        settings.isTracing = true
        let verdict = kind.run(settings)
        for line in verdict.lines { print(line) }
        guard let failure = verdict.failure else { return print("seed \(settings.seed): no violation") }
        print("seed \(settings.seed): \(failure.invariant.rawValue): \(failure.detail)")
        throw ExitCode.failure
    }

    private func faults(_ names: String) throws -> Faults {
        try names.split(separator: ",").reduce(into: Faults()) { set, name in
            guard let kind = Faults(name: String(name)) else { throw ValidationError("unknown class of faults \(name)") }
            set.formUnion(kind)
        }
    }

    private func printLists() {
        print("faults: \(Faults.all.names.joined(separator: " "))")
        print("canaries: \(Canary.allCases.map(\.rawValue).joined(separator: " "))")
    }

    private func summarize(_ report: Campaign.Report, _ known: [Mark], _ time: Duration) {
        let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
        let rate = Int(Double(report.events) / max(seconds, 1e-9))
        let tenths = (seconds * 10).rounded() / 10
        let marks = known.map { "\($0.name) \(report.marks[$0])" }.joined(separator: ", ")
        print(
            "\(report.worlds) worlds, \(report.events) events in \(tenths) s, \(rate) events/s, \(report.findings.count) violations, "
                + "hash \(String(report.hash, radix: 16))" + (self.marks ? "" : "; \(marks)"))
    }

    private func explain(_ finding: Campaign.Finding, among findings: [Campaign.Finding]) {
        for other in findings { print("seed \(other.settings.seed): \(other.failure.invariant.rawValue): \(other.failure.detail)") }
        let smallest = finding.shrunk()
        print("\nseed \(smallest.settings.seed), shrunk to \(smallest.settings.events) events with \(smallest.settings.faults.names):")
        print("\(smallest.failure.invariant.rawValue): \(smallest.failure.detail)")
        for line in smallest.history(60) { print(line) }
        print("\nas found: \(finding.command)\nsmallest: \(smallest.command)")
    }
}
