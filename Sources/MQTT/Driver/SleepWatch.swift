internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Notices that the machine slept: of two clocks, one stood still.
///
/// Timers stand still with the machine, so a connection that died meanwhile would show only when the next PINGREQ is due. One watch
/// serves all clients of the process; it looks at the clocks once a second, and only while there is a client.
final class SleepWatch: Sendable {
    /// A client that wants to know, by a number of its own.
    typealias Listener = @Sendable (Duration) -> Void

    private struct State {
        var listeners: [Int: Listener] = [:]
        var nextID = 0
        var task: RepeatedTask?
        /// How far the clocks had come apart when they were last looked at.
        var apart: Duration?
    }

    static let system = SleepWatch(.system, interval: .seconds(1), on: nil)

    /// Shorter sleeps are none: clocks are not read at the same moment.
    private static let least = Duration.milliseconds(500)

    private let clocks: SleepClocks
    private let interval: TimeAmount
    private let eventLoop: (any EventLoop)?
    private let state = Mutex(State())

    /// - Parameter eventLoop: Where the clocks are looked at. Nil: on a loop of the process.
    init(_ clocks: SleepClocks, interval: TimeAmount, on eventLoop: (any EventLoop)?) {
        self.clocks = clocks
        self.interval = interval
        self.eventLoop = eventLoop
    }

    /// - Returns: What `remove` wants.
    func add(_ listener: @escaping Listener) -> Int {
        state.withLock { state in
            state.nextID += 1
            state.listeners[state.nextID] = listener
            if state.task == nil {
                state.apart = clocks.apart
                let eventLoop = eventLoop ?? MultiThreadedEventLoopGroup.singleton.next()
                state.task = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [weak self] _ in self?.look() }
            }
            return state.nextID
        }
    }

    func remove(_ id: Int) {
        state.withLock { state in
            state.listeners[id] = nil
            guard state.listeners.isEmpty else { return }
            state.task?.cancel()
            state.task = nil
        }
    }

    private func look() {
        let (listeners, slept) = state.withLock { state -> ([Listener], Duration) in
            let apart = clocks.apart
            let slept = apart - (state.apart ?? apart)
            state.apart = apart
            return (slept >= Self.least ? Array(state.listeners.values) : [], slept)
        }
        for listener in listeners { listener(slept) }
    }
}
