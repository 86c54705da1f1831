import DriverSimulation
import Simulation
import Testing

/// Worlds with the real client: a slice of what `scripts/simulate --driver` runs.
@Suite struct DriverWorldTests {
    private func finding(_ seed: UInt64, _ verdict: Verdict) -> Comment { "seed \(seed): \(verdict.failure.map { "\($0)" } ?? "")" }

    @Test func nothingIsLost() async throws {
        var campaign = Campaign(seed: 1, worlds: 60, events: 2_000)
        campaign.kind = .driver
        let report = await campaign.run()
        #expect(report.worlds == 60)
        #expect(report.findings.map { "seed \($0.settings.seed): \($0.failure)" } == [])
    }

    @Test(arguments: [1, 7, 29, 54] as [UInt64])
    func theSameSeedIsTheSameRun(seed: UInt64) {
        var settings = WorldSettings(seed: seed, events: 1_500)
        settings.isTracing = true
        let (first, second) = (DriverWorld.run(settings), DriverWorld.run(settings))
        #expect(first.traceHash == second.traceHash)
        #expect(first.events == second.events)
        #expect(first.lines == second.lines)
        #expect(first.failure == nil, finding(seed, first))
    }

    /// What the driver once did wrong, by the seeds that showed it.
    @Test(arguments: [22, 29, 38, 54, 1_012] as [UInt64])
    func staysMended(seed: UInt64) {
        let verdict = DriverWorld.run(WorldSettings(seed: seed, events: 3_000))
        #expect(verdict.failure == nil, finding(seed, verdict))
    }
}
