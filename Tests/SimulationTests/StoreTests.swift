import DiskSimulation
import Simulation
import Testing

/// A client whose process ends, and which goes on with what is on disk: the real stores, the real resumption.
@Suite struct StoreTests {
    private func finding(_ settings: WorldSettings, _ verdict: Verdict) -> Comment {
        "\(settings.crash.map { "\($0.kind) at \($0.moment)" } ?? ""), seed \(settings.seed): \(verdict.failure.map { "\($0)" } ?? "")"
    }

    /// A short session in which nothing goes wrong but that one crash: with each store that the seeds give.
    private func short(_ seed: UInt64) -> WorldSettings {
        var settings = WorldSettings(seed: seed, events: 25)
        settings.isDurable = true
        settings.faults = []
        return settings
    }

    @Test("A short session ends at every write, killed, or with any part of what was not synced", arguments: 0..<3 as Range<UInt64>)
    func everyWrite(seed: UInt64) {
        let whole = World.run(short(seed))
        #expect(whole.failure == nil && whole.writes > 0)
        for write in 1...whole.writes {
            for kind in CrashKind.all {
                var settings = short(seed)
                settings.crash = CrashPoint(kind, .write(write))
                let verdict = World.run(settings)
                #expect(verdict.failure == nil, finding(settings, verdict))
                #expect(verdict.marks[.kill] + verdict.marks[.powerCut] == 1, finding(settings, verdict))
            }
        }
    }

    @Test("A short session ends at every effect that the session wants", arguments: 4..<5 as Range<UInt64>)
    func everyEffect(seed: UInt64) {
        let whole = World.run(short(seed))
        #expect(whole.failure == nil && whole.effects > 0)
        for effect in 1...whole.effects {
            for kind in [CrashKind.kill, .powerCut(.nothing)] {
                var settings = short(seed)
                settings.crash = CrashPoint(kind, .effect(effect))
                let verdict = World.run(settings)
                #expect(verdict.failure == nil, finding(settings, verdict))
            }
        }
    }

    @Test("Long sessions by seed, with everything that can go wrong")
    func longSessions() async {
        var campaign = Campaign(seed: 3_000_000, worlds: 30, events: 400)
        campaign.isDurable = true
        let report = await campaign.run()
        #expect(report.findings.first == nil, "\(report.findings.first.map { "\($0.failure)\n\($0.command)" } ?? "")")
        let wanted: [Mark] = [
            .kill, .powerCut, .crashWhileOpening, .resumed, .storeFailure, .diskFull, .notStored, .evicted, .expired, .loaded,
        ]
        for mark in wanted { #expect(report.marks[mark] > 0, "\(mark.name) did not happen") }
    }
}
