import Simulation
import Testing

/// A checker that finds no bug proves nothing: each deliberate bug of the shell has to be found.
@Suite struct CanaryTests {
    @Test(arguments: Canary.allCases)
    func isFound(canary: Canary) async throws {
        var campaign = Campaign(seed: 1, worlds: 300, events: 600)
        campaign.canary = canary
        campaign.failureLimit = 1
        let report = await campaign.run()
        let finding = try #require(report.findings.first, "not found in \(report.worlds) worlds")
        #expect(expected[canary]?.contains(finding.failure.invariant) == true, "found as \(finding.failure)")
    }

    /// By what each may be found. A bug that something else trips over first is not found for its own sake.
    private let expected: [Canary: Set<Invariant>] = [
        .acknowledgesEarly: [.handedOverBeforeAcknowledged],
        .dropsResend: [.liveness, .deliveredInOrder],
        .forgetsDuplicateFlag: [.duplicateFlag],
        .forgetsPubrel: [.liveness, .storedSurvives],
        .reusesIdentifier: [.identifierFree, .exactlyOnce, .acknowledgementHonoured],
        .keepsStaleBytes: [.brokerViolation, .nothingSentOffline],
        .reportsStoredEarly: [.storedBeforeSent],
        .dropsReceived: [.atLeastOnce, .deliveredInOrder],
        .stopsClock: [.liveness],
        .losesResolution: [.liveness, .ticketResolvedOnce],
        .swapsPublishes: [.resendOrder, .deliveredInOrder],
        .exceedsInFlight: [.inFlightLimit],
        .exceedsExactlyOnceInFlight: [.inFlightLimit],
        .deliversRepetition: [.exactlyOnce],
        .completesPayloadEarly: [.handedOverBeforeAcknowledged, .atLeastOnce, .phases],
        .mixesPayloads: [.exactlyOnce, .atLeastOnce, .withdrawnNeverArrives, .deliveredInOrder, .payloadIntact, .brokerViolation],
        .swapsReceived: [.deliveredInOrder],
        .hidesSessionLoss: [.exactlyOnce],
        .sendsBehindDisconnect: [.nothingSentOffline],
        .skipsSync: [.storedSurvives, .exactlyOnce],
        .releasesBeforeStored: [.storedBeforeSent],
        .completesBeforeRemoved: [.storedBeforeSent],
        .forgetsSerials: [.storedSurvives],
        .forgetsInbound: [.exactlyOnce],
        .forgetsReceived: [.exactlyOnce, .storedSurvives, .brokerViolation],
        .forgetsEarlierSending: [.duplicateFlag],
        .reportsLoadedEarly: [.payloadIntact],
    ]

    @Test func aFindingCanBeReplayedAndShrunk() async throws {
        var campaign = Campaign(seed: 1, worlds: 100, events: 600)
        campaign.canary = .swapsReceived
        campaign.failureLimit = 1
        let found = await campaign.run().findings.first
        let finding = try #require(found)
        #expect(World.run(finding.settings).failure == finding.failure)

        let smallest = finding.shrunk()
        #expect(smallest.failure.invariant == finding.failure.invariant)
        #expect(smallest.settings.events <= finding.settings.events)
        #expect(smallest.settings.faults.isStrictSubset(of: finding.settings.faults))
        #expect(World.run(smallest.settings).failure == smallest.failure)

        #expect(smallest.history(60).count == 60)
        #expect(smallest.history(1).first?.contains("VIOLATION") == true)
        #expect(smallest.command.contains("--seed \(finding.settings.seed) --replay --events \(smallest.settings.events)"))
        #expect(smallest.command.contains("--canary swapsReceived"))
    }

    @Test func faultNamesCanBeReadBack() {
        for (name, kind) in Faults.named { #expect(Faults(name: name) == kind) }
        #expect(Faults.named.reduce(into: Faults()) { $0.formUnion($1.1) } == .all)
        #expect(Faults(name: "weather") == nil)
    }
}
