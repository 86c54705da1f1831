import Simulation
import Testing

/// A slice of what `simulate` runs by the thousand.
@Suite struct WorldTests {
    /// Four parts, so that they share the cores.
    @Test(arguments: 0..<4)
    func everyInvariantHolds(part: Int) async throws {
        let campaign = Campaign(seed: 1_000_000 + UInt64(part) * 1_000, worlds: 30, events: 400)
        let report = await campaign.run()
        #expect(report.worlds == 30)
        let finding = report.findings.first
        #expect(finding == nil, "\(finding.map { "\($0.failure.invariant.rawValue): \($0.failure.detail)\n\($0.shrunk().command)" } ?? "")")
    }

    /// Seeds that found something: a segment that was cut off within its header, and a PUBCOMP that was kept back until all was quiet.
    @Test(arguments: [84_532, 17_932] as [UInt64])
    func onceFound(seed: UInt64) {
        #expect(World.run(WorldSettings(seed: seed, events: 400)).failure == nil)
    }

    /// What the slice does not hit it does not test.
    @Test func rareThingsHappen() async {
        let report = await Campaign(seed: 2_000_000, worlds: 110, events: 500).run()
        let wanted: [Mark] = [
            .reconnect, .sessionLoss, .sessionLossAfterPubrec, .resend, .pubrelResend, .halfOpen, .stall, .refusal, .dialRefused,
            .dialTimedOut, .takeOver, .restart, .silence, .identifierWrap, .streamedIn, .streamedInSkipped, .bigOut, .blockedWrite,
            .backPressure, .duplicateInbound, .releaseOfEarlierLink, .strayAcknowledgement, .repeatedAcknowledgement, .withdrawn,
            .abandoned, .keepAlivePing, .pubrecWhileStoring, .linkLostWhileStoring, .refusedPublish, .disconnect, .close, .garbage,
        ]
        for mark in wanted { #expect(report.marks[mark] > 0, "\(mark.name) did not happen") }
    }

    @Test func aWorldWithoutFaultsIsQuiet() async {
        var campaign = Campaign(seed: 1, worlds: 40, events: 300)
        campaign.faults = []
        let report = await campaign.run()
        #expect(report.findings.isEmpty)
        for mark in [Mark.resend, .silence, .halfOpen, .duplicateInbound] { #expect(report.marks[mark] == 0, "\(mark.name)") }
    }
}

@Suite struct DeterminismTests {
    @Test(arguments: [1, 42, 4_711, UInt64.max])
    func sameSeedSameRun(seed: UInt64) {
        let settings = WorldSettings(seed: seed, events: 500)
        let (first, second) = (World.run(settings), World.run(settings))
        #expect(first.traceHash == second.traceHash)
        #expect(first.events == second.events)
        #expect(first.failure == second.failure)
    }

    @Test func tracingChangesNothing() {
        var settings = WorldSettings(seed: 7, events: 500)
        let silent = World.run(settings)
        settings.isTracing = true
        let traced = World.run(settings)
        #expect(silent.traceHash == traced.traceHash)
        #expect(silent.lines.isEmpty)
        #expect(traced.lines.count > 500)
    }

    @Test func otherSeedOtherRun() {
        #expect(World.run(WorldSettings(seed: 1, events: 200)).traceHash != World.run(WorldSettings(seed: 2, events: 200)).traceHash)
    }

    @Test func threadsDoNotMatter() async {
        var campaign = Campaign(seed: 5, worlds: 12, events: 300)
        let one = await campaign.run()
        campaign.threads = 3
        let three = await campaign.run()
        #expect(one.hash == three.hash)
        #expect(one.events == three.events)
    }
}
