import Glibc
import MQTTCore
import Simulation

/// The computer of a world: its clock, its event loop, the jobs of its tasks, and what happens outside of it. One thing runs at a time, on
/// one thread, and the seed says which.
///
/// What would run at the same time on threads of its own is run in between, where the one that is interrupted holds no lock: between two
/// calls of the application, and whenever the library calls its channel, its dialer or a source. So the loop may do its work in the middle
/// of a task's job, and tasks may go on in the middle of one of the loop's.
final class Machine: @unchecked Sendable {
    // Only the thread of the world gets here, which is checked wherever something is handed over.

    enum Runner: Sendable { case world, loop, task, writer }

    /// How jobs are picked.
    struct Pace: Sendable {
        /// In the order of loop, tasks, and world.
        var weights = [1, 1, 1]
        /// Of a hundred places to be interrupted at, those where it happens.
        var eagerness = 0
        /// Of a thousand jobs of tasks, those whose thread sleeps first.
        var sleepiness = 0
        /// Of a thousand moments, those in which the loop's thread sleeps.
        var loopSleepiness = 0
    }

    private struct Happening {
        var time: Int64
        var order: UInt64
        var body: () -> Void
    }

    private static let deepest = 6
    /// Jobs at one instant: more are a busy loop.
    private static let most = 300_000

    private let thread = pthread_self()
    private(set) var now: Int64 = 1_000 * second
    var dice: Dice
    var trace: Trace
    var marks = Marks()
    var pace = Pace()
    /// Set as soon as something is wrong. Nothing runs from then on.
    private(set) var failure: Failure?
    private(set) var steps = 0

    private(set) var runner = Runner.world
    private var depth = 0
    private(set) var loop: SimulatedEventLoop!
    private let executor = SeededExecutor()
    private var jobs: [UnownedJob] = []
    private var happenings: [Happening] = []
    private var order: UInt64 = 0
    private var jobsAtOnce = 0
    private var loopSleepsUntil: Int64 = 0
    /// What happens at one of the next places to be interrupted at.
    var interruption: (places: Int, body: () -> Void)?

    init(seed: UInt64, isTracing: Bool) {
        dice = Dice(seed: seed)
        trace = Trace(isTracing: isTracing)
        loop = SimulatedEventLoop(self)
        executor.machine = self
    }

    func check() { precondition(pthread_equal(thread, pthread_self()) != 0, "something has escaped to another thread") }

    func fail(_ invariant: Invariant, _ detail: String) {
        guard failure == nil else { return }
        failure = Failure(invariant: invariant, detail: detail, time: now, step: steps)
        trace.note(now, .violation, text: "VIOLATION \(invariant.rawValue): \(detail)")
    }

    // MARK: What is to happen

    /// Outside of the client's computer, or later.
    func after(_ delay: Int64, _ body: @escaping () -> Void) {
        order += 1
        let happening = Happening(time: now + max(0, delay), order: order, body: body)
        // Few wait at a time, and most of what is new comes last.
        let index = happenings.lastIndex { $0.time <= happening.time }.map { $0 + 1 } ?? 0
        happenings.insert(happening, at: index)
    }

    /// A job of a task, from whatever executor.
    func enqueue(_ job: UnownedJob) {
        check()
        if pace.sleepiness > 0, dice.chance(pace.sleepiness, in: 1_000) {
            return after(dice.below(20 * millisecond)) { [self] in
                trace.note(now, .taskJob, 2, text: "a task wakes up late")
                run(job)
            }
        }
        jobs.append(job)
    }

    /// Whoever runs here may be interrupted by what runs beside it.
    func interrupt() {
        if runner != .world, let (places, body) = interruption {
            interruption = places > 1 ? (places - 1, body) : nil
            if places == 1 { body() }
        }
        guard runner != .world, depth < Self.deepest, failure == nil, pace.eagerness > 0 else { return }
        guard dice.chance(pace.eagerness, in: 100) else { return }
        for _ in 0..<dice.within(1...4) {
            if !loop.isBusy, loopSleepsUntil <= now, dice.chance(1, in: 2) {
                _ = runLoop()
            } else if !jobs.isEmpty {
                runTask()
            }
        }
    }

    // MARK: Running

    /// Lets one thing happen; false when nothing is left, or only what is due at `limit` or later.
    func step(before limit: Int64 = .max) -> Bool {
        guard failure == nil else { return false }
        if pace.loopSleepiness > 0, dice.chance(pace.loopSleepiness, in: 1_000) { loopSleepsUntil = now + dice.below(20 * millisecond) }
        var isReady = readiness
        if !isReady.contains(true) {
            guard let next = nextTime, next < limit else { return false }
            now = max(now, next)
            jobsAtOnce = 0
            isReady = readiness
        }
        jobsAtOnce += 1
        if jobsAtOnce > Self.most { fail(.noBusyLoop, "\(Self.most) jobs in one instant") }
        steps += 1
        switch pick(isReady) {
        case 0: _ = runLoop()
        case 1: runTask()
        default: runHappening()
        }
        return failure == nil
    }

    private var readiness: [Bool] {
        [loopSleepsUntil <= now && loop.isReady, !jobs.isEmpty, (happenings.first?.time ?? .max) <= now]
    }

    private func pick(_ isReady: [Bool]) -> Int {
        let weights = isReady.indices.map { isReady[$0] ? pace.weights[$0] : 0 }
        var point = dice.below(weights.reduce(0, +))
        for (index, weight) in weights.enumerated() {
            if point < weight { return index }
            point -= weight
        }
        return 2
    }

    private var nextTime: Int64? {
        let loopTime = loop.hasJobs ? loopSleepsUntil : loop.nextTimer.map { max($0, loopSleepsUntil) }
        return [loopTime, happenings.first?.time].compactMap { $0 }.min()
    }

    private func runLoop() -> Bool {
        guard loop.isReady else { return false }
        trace.note(now, .loopJob, UInt64(depth), text: "")
        become(.loop) { loop.runOne() }
        return true
    }

    private func runTask() {
        let job = jobs.remove(at: dice.below(jobs.count))
        trace.note(now, .taskJob, UInt64(depth), text: "")
        run(job)
    }

    private func run(_ job: UnownedJob) {
        become(.task) { unsafe job.runSynchronously(on: executor.asUnownedTaskExecutor()) }
    }

    private func runHappening() {
        let happening = happenings.removeFirst()
        happening.body()
    }

    /// The thread that writes stores has its turn.
    func writerRuns(_ body: () -> Void) { become(.writer, body) }

    private func become(_ new: Runner, _ body: () -> Void) {
        let before = runner
        runner = new
        depth += 1
        body()
        depth -= 1
        runner = before
    }

    // MARK: What is left

    var pendingJobs: Int { jobs.count }
    var hasHappenings: Bool { !happenings.isEmpty }

    /// Lets go of everything, when the world is over. What a failed one has left waits for ever: the runtime would complain of each.
    func forget() {
        guard failure == nil else { return }
        happenings = []
        jobs = []
        interruption = nil
        loop.forget()
    }
}

/// Where tasks run that say where they want to.
final class SeededExecutor: TaskExecutor, @unchecked Sendable {
    weak var machine: Machine?

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        machine?.enqueue(job)
    }
}
