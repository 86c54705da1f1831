import Dispatch
import NIOCore
import Simulation

/// An event loop without a thread: the machine runs its jobs, one at a time and in order. `inEventLoop` is true only inside of them.
final class SimulatedEventLoop: EventLoop, @unchecked Sendable {
    // Only the thread of the world gets here, which the machine checks.

    private struct Timer {
        var deadline: Int64
        var number: UInt64
        var body: () -> Void
    }

    private unowned let machine: Machine
    private var jobs: [() -> Void] = []
    private var head = 0
    private var timers: [Timer] = []
    private var number: UInt64 = 0
    /// One of its jobs is under way, and may be suspended in favour of a task that runs beside it.
    private(set) var isBusy = false

    init(_ machine: Machine) { self.machine = machine }

    var description: String { "SimulatedEventLoop" }
    var inEventLoop: Bool { machine.runner == .loop }
    var now: NIODeadline { .uptimeNanoseconds(UInt64(machine.now)) }

    // MARK: What is handed over

    func execute(_ task: @escaping @Sendable () -> Void) { enqueue(task) }

    /// What the operating system reports is a job too.
    func enqueue(_ body: @escaping () -> Void) {
        machine.check()
        jobs.append(body)
    }

    @discardableResult
    func scheduleTask<T>(deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        machine.check()
        let promise = makePromise(of: T.self)
        number += 1
        let number = number
        timers.append(
            Timer(deadline: Int64(clamping: deadline.uptimeNanoseconds), number: number) {
                do { promise.assumeIsolated().succeed(try task()) } catch { promise.fail(error) }
            })
        return Scheduled(promise: promise) { [self] in timers.removeAll { $0.number == number } }
    }

    @discardableResult
    func scheduleTask<T>(in delay: TimeAmount, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        scheduleTask(deadline: now + delay, task)
    }

    // MARK: Running

    var hasJobs: Bool { head < jobs.count }
    var nextTimer: Int64? { timers.map(\.deadline).min() }
    var isReady: Bool { !isBusy && (hasJobs || (nextTimer.map { $0 <= machine.now } ?? false)) }
    var timerCount: Int { timers.count }

    /// A timer that is due, or the next job.
    func runOne() {
        isBusy = true
        if let index = dueTimer, !hasJobs || machine.dice.chance(1, in: 2) {
            timers.remove(at: index).body()
        } else if hasJobs {
            let job = jobs[head]
            head += 1
            if head == jobs.count {
                jobs.removeAll(keepingCapacity: true)
                head = 0
            }
            job()
        }
        isBusy = false
    }

    private var dueTimer: Int? {
        var first: Int?
        for (index, timer) in timers.enumerated() where timer.deadline <= machine.now {
            if let known = first, timers[known].deadline <= timer.deadline { continue }
            first = index
        }
        return first
    }

    func forget() {
        jobs = []
        head = 0
        timers = []
    }

    // MARK: The rest of the protocol

    func preconditionInEventLoop(file: StaticString, line: UInt) {
        precondition(inEventLoop, "not on the event loop", file: file, line: line)
    }

    func preconditionNotInEventLoop(file: StaticString, line: UInt) {
        precondition(!inEventLoop, "on the event loop", file: file, line: line)
    }

    func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) { callback(nil) }
}
