import DiskSimulation
import MQTT
import MQTTTesting
import NIOCore
import Simulation

/// The real client, an application of many tasks, a network and a broker, on virtual time and one thread: everything that happens is a
/// function of the seed.
///
/// The client is `MQTTClient` as applications have it. What a world replaces is around it: the event loop, the sockets, the threads that
/// tasks run on, the clocks. Checkers look at the interface from outside, and at the packets on their way.
package final class DriverWorld: @unchecked Sendable {
    // Only the thread of the world gets here, which the machine checks.

    static let clientID = "client"
    /// Connections of others, which only take the session over.
    static let intruders = 1_000_000

    let settings: WorldSettings
    let plan: DriverPlan
    let machine: Machine
    var broker: BrokerModel
    var brokerTickAt: Int64?
    var wires: [Wire] = []
    /// Counts the sessions that the broker has had for the client.
    var epoch = 0

    var client: MQTTClient?
    /// By number, what each task of the application is at.
    private(set) var live: [Int: String] = [:]
    /// Those of them that end by themselves, when nothing new is begun.
    private var working: Set<Int> = []
    private(set) var taskCount = 0
    /// How much longer than awake the machine was, in nanoseconds.
    var slept: Int64 = 0
    /// By process: each is held by its engine alone.
    var dialers: [Weak<SimulatedDialer>] = []
    /// How often the client was started, with what was on the disk.
    var process = 0
    var disk = SimulatedDisk()
    /// A crash or a failure has left part of a write.
    var isTorn = false
    /// In a row.
    var storeFailures = 0
    /// What the crash is that waits for a write.
    var crashAtWrite: CrashKind?
    var runTask: Task<Void, Never>?
    var endWaits: [CheckedContinuation<Void, Never>] = []
    var publishes = PublishLedger()
    var receipts: ReceiptLedger
    var staleIdentifiers = StaleIdentifiers()
    var neighbour = Neighbour()
    var endedScopes = 0

    /// The faults have stopped, and nothing new is begun.
    var isCalm = false
    /// The process has crashed, and its tasks are still there.
    var isDown = false
    /// The client is being ended.
    var isEnding = false
    /// The application has ended as well.
    var isOver = false
    /// The client was ended while something was still open.
    var endsEarly = false

    init(_ settings: WorldSettings) {
        self.settings = settings
        plan = DriverPlan(settings)
        machine = Machine(seed: settings.seed, isTracing: settings.isTracing)
        broker = BrokerModel(configuration: plan.broker)
        receipts = ReceiptLedger(queues: plan.queues)
    }

    // MARK: The application's tasks

    /// Begins a task, and keeps account of it until it has ended.
    @discardableResult
    func task(_ name: String, isWork: Bool = true, _ body: @escaping @Sendable (Int) async -> Void) -> Task<Void, Never> {
        taskCount += 1
        let number = taskCount
        live[number] = name
        if isWork { working.insert(number) }
        return Task { [self] in
            machine.check()
            await body(number)
            live[number] = nil
            working.remove(number)
        }
    }

    var isAtWork: Bool { !working.isEmpty }
    var unfinishedTasks: String { live.sorted { $0.key < $1.key }.prefix(40).map { "task \($0): \($1)" }.joined(separator: "; ") }
    var unfinishedWork: String { working.sorted().prefix(6).map { "task \($0): \(live[$0] ?? "")" }.joined(separator: "; ") }

    /// Tells what a task is at, for the one who looks why it never ends.
    func note(_ task: Int, _ text: String) {
        machine.trace.note(machine.now, .application, UInt64(task), text: "task \(task): \(text)")
        if live[task] != nil { live[task] = text }
        machine.interrupt()
    }

    /// Cancels a task after a while, which then ends soon: whatever it waits for is not to keep it.
    func cancel(_ task: Task<Void, Never>, _ number: Int, after delay: Int64) {
        machine.after(delay) { [self] in
            guard live[number] != nil else { return }
            task.cancel()
            machine.after(5 * second) { [self] in
                if let text = live[number] { machine.fail(.liveness, "task \(number) was canceled 5 s ago: \(text)") }
            }
        }
    }

    /// Waits, whether the task is canceled or not.
    func pause(_ time: Int64) async {
        await withCheckedContinuation { continuation in
            machine.after(time) { continuation.resume() }
        }
    }

    func check(_ finding: (Invariant, String)?) {
        if let finding { machine.fail(finding.0, finding.1) }
    }

    /// Something that is to be gone when nobody holds it any more.
    struct Weak<Object: AnyObject> {
        weak var object: Object?
        init(_ object: Object) { self.object = object }
    }

    var currentWire: Wire? { wires.last { !$0.isNeighbours && $0.isOpenAtClient && $0.channel?.isActive == true } }
    var neighboursWire: Wire? { wires.last { $0.isNeighbours && $0.isOpenAtClient && $0.channel?.isActive == true } }
}
