import DiskSimulation
import MQTTCore
import MQTTPersistence
import Simulation

/// The store of a process of the client: a real one on a simulated disk. While it commits or reads, others may run.
final class SimulatedStore: SessionStore, @unchecked Sendable {
    // Only the thread of the world gets here, which the machine checks.

    private let world: DriverWorld
    private let store: any SessionStore
    private let process: Int

    init(_ kind: StoreKind, _ world: DriverWorld, process: Int) {
        self.world = world
        self.process = process
        store = kind.makeStore(on: world.disk)
    }

    func open() throws(MQTTError) -> StoreContents { try store.open() }

    func record(of key: RecordKey) throws(MQTTError) -> StoredRecord {
        world.machine.interrupt()
        world.machine.marks.hit(.loaded)
        return try store.record(of: key)
    }

    func commit(_ changes: [StoreChange]) throws(MQTTError) {
        world.machine.interrupt()
        world.storeBegins(changes, process)
        do throws(MQTTError) { try store.commit(changes) } catch { throw world.storeFailed(error, process) }
        world.storeSucceeded(changes, process)
        world.machine.interrupt()
    }

    func flush() throws(MQTTError) {
        do throws(MQTTError) { try store.flush() } catch { throw world.storeFailed(error, process) }
        world.storeSucceeded([], process)
    }

    func close() { store.close() }
}

/// Takes the turns of a process's store writer, among the other things that a world lets happen.
final class SimulatedWriterThread: WriterThread, @unchecked Sendable {
    // Only the thread of the world gets here, which the machine checks.

    /// Only what is between two instants counts.
    private static let epoch = ContinuousClock.now

    private let machine: Machine
    /// At most so long it takes until it has its turn.
    private let slowness: Int64
    private var turn: (() -> TurnEnd)?
    private var isPausing = false
    /// Tells the ends of pauses apart.
    private var pauses = 0

    init(_ machine: Machine, slowness: Int64) {
        self.machine = machine
        self.slowness = slowness
    }

    var now: ContinuousClock.Instant { Self.epoch + .nanoseconds(machine.now) }

    func start(_ turn: @escaping @Sendable () -> TurnEnd) {
        machine.check()
        self.turn = turn
        takeTurn()
    }

    func wakeUp() {
        machine.check()
        guard isPausing else { return }
        isPausing = false
        takeTurn()
    }

    private func takeTurn() {
        machine.after(machine.dice.below(slowness + 1)) { [self] in
            var end = TurnEnd.last
            machine.writerRuns { end = turn?() ?? .last }
            switch end {
            case .another: takeTurn()
            case .pause(let duration): pause(duration)
            case .last: turn = nil
            }
        }
    }

    private func pause(_ duration: Duration?) {
        isPausing = true
        pauses += 1
        guard let duration else { return }
        let number = pauses
        let (seconds, attoseconds) = duration.components
        machine.after(seconds * second + attoseconds / second + 1) { [self] in
            if isPausing, pauses == number { wakeUp() }
        }
    }
}
