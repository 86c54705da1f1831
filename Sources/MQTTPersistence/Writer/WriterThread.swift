/// Where the turns of a ``StoreWriter`` are taken. A simulator brings one that is no thread.
package protocol WriterThread: Sendable {
    /// Counts on the clock that pauses are measured with.
    var now: ContinuousClock.Instant { get }

    /// Takes turns until one says that it was the last, with the pauses that each asks for. None of them before this returns.
    func start(_ turn: @escaping @Sendable () -> TurnEnd) throws(FileFault)

    /// Ends the pause. One that begins just now is not missed.
    func wakeUp()
}

/// What follows a turn.
package enum TurnEnd: Sendable {
    case another
    /// Until there is something to do, or for at most this time.
    case pause(Duration?)
    case last
}

/// A thread of the operating system. It is there as long as there are turns to take.
struct SystemWriterThread: WriterThread {
    private let pauses: WakeUp

    init() throws(FileFault) { pauses = try WakeUp() }

    var now: ContinuousClock.Instant { .now }

    func start(_ turn: @escaping @Sendable () -> TurnEnd) throws(FileFault) {
        let isStarted = startThread { [pauses] in
            while true {
                switch turn() {
                case .another: break
                case .pause(let duration): pauses.wait(atMost: duration)
                case .last: return
                }
            }
        }
        if !isStarted { throw FileFault("pthread_create", number: 0, text: "no thread can be started") }
    }

    func wakeUp() { pauses.signal() }
}
