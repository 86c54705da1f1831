import Synchronization

/// What the worlds of a campaign are made of.
package struct WorldKind: Sendable {
    package var run: @Sendable (WorldSettings) -> Verdict
    /// What `scripts/simulate` calls them.
    package var options: String
    /// The rare things that happen in them.
    package var marks: [Mark]

    package init(options: String, marks: [Mark], run: @escaping @Sendable (WorldSettings) -> Verdict) {
        self.options = options
        self.marks = marks
        self.run = run
    }

    /// The session, and a driver written for the simulator.
    package static let session = WorldKind(options: "", marks: Mark.allCases.filter { $0 != .endToEnd }) { World.run($0) }
}

/// Many worlds on several threads.
package struct Campaign: Sendable {
    package var seed: UInt64
    package var worlds: Int
    package var events: Int
    package var faults = Faults.all
    package var canary: Canary?
    /// Only worlds with a store.
    package var isDurable = false
    package var threads = 1
    /// So many failures are kept; the campaign ends when there are as many.
    package var failureLimit = 20
    package var kind = WorldKind.session

    package init(seed: UInt64, worlds: Int, events: Int) {
        self.seed = seed
        self.worlds = worlds
        self.events = events
    }

    package struct Finding: Sendable {
        package var settings: WorldSettings
        package var failure: Failure
        package var kind: WorldKind
    }

    package struct Report: Sendable {
        package var worlds = 0
        package var events = 0
        package var marks = Marks()
        package var findings: [Finding] = []
        /// Of all worlds: the same for the same campaign.
        package var hash: UInt64 = 0

        mutating func add(_ other: Report) {
            worlds += other.worlds
            events += other.events
            marks.add(other.marks)
            findings += other.findings
            hash ^= other.hash
        }

        fileprivate mutating func add(_ settings: WorldSettings, _ verdict: Verdict, _ kind: WorldKind) {
            worlds += 1
            events += verdict.events
            marks.add(verdict.marks)
            hash ^= verdict.traceHash
            if let failure = verdict.failure { findings.append(Finding(settings: settings, failure: failure, kind: kind)) }
        }
    }

    package func settings(_ index: Int) -> WorldSettings {
        var settings = WorldSettings(seed: seed &+ UInt64(index), events: events)
        settings.faults = faults
        settings.canary = canary
        settings.isDurable = isDurable
        return settings
    }

    package func run() async -> Report {
        let next = Counter()
        let failures = Counter()
        return await withTaskGroup(of: Report.self) { group in
            for _ in 0..<max(1, threads) {
                group.addTask { work(next, failures) }
            }
            var report = Report()
            for await part in group { report.add(part) }
            report.findings.sort { $0.settings.seed < $1.settings.seed }
            return report
        }
    }

    private func work(_ next: Counter, _ failures: Counter) -> Report {
        var report = Report()
        while failures.value < failureLimit {
            let index = next.increment()
            guard index < worlds else { break }
            let settings = settings(index)
            let verdict = kind.run(settings)
            report.add(settings, verdict, kind)
            if verdict.failure != nil { _ = failures.increment() }
        }
        return report
    }
}

private final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    var value: Int { count.load(ordering: .relaxed) }
    /// Returns the value before.
    func increment() -> Int { count.add(1, ordering: .relaxed).oldValue }
}

extension Campaign.Finding {
    /// The smallest world of this seed that still fails: with as few classes of faults and as few events as possible.
    package func shrunk() -> Campaign.Finding {
        var smallest = self
        var isSmaller = true
        while isSmaller {
            isSmaller = false
            for (_, kind) in Faults.named where smallest.settings.faults.contains(kind) {
                var settings = smallest.settings
                settings.faults.remove(kind)
                if let found = smallest.fails(settings) { (smallest, isSmaller) = (found, true) }
            }
            for events in smallest.fewerEvents where !isSmaller {
                var settings = smallest.settings
                settings.events = events
                if let found = smallest.fails(settings) { (smallest, isSmaller) = (found, true) }
            }
        }
        return smallest
    }

    private var fewerEvents: [Int] {
        let events = settings.events
        return [failure.step, events / 4, events / 2, events * 3 / 4, events - 10, events - 1].filter { $0 > 0 && $0 < events }
    }

    /// In the same way: another failure is another story.
    private func fails(_ settings: WorldSettings) -> Campaign.Finding? {
        guard let other = kind.run(settings).failure, other.invariant == failure.invariant else { return nil }
        return Campaign.Finding(settings: settings, failure: other, kind: kind)
    }

    /// What to type to see it.
    package var command: String {
        var command = "scripts/simulate\(kind.options) --seed \(settings.seed) --replay"
        if settings.events != 1_000 { command += " --events \(settings.events)" }
        let missing = Faults.all.subtracting(settings.faults)
        if !missing.isEmpty { command += " --without \(missing.names.joined(separator: ","))" }
        if settings.isDurable { command += " --durable" }
        if let canary = settings.canary { command += " --canary \(canary.rawValue)" }
        return command
    }

    /// The last lines of its trace.
    package func history(_ count: Int) -> [String] {
        var settings = settings
        settings.isTracing = true
        return kind.run(settings).lines.suffix(count)
    }
}
