import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Ctrl-Z and `fg`, for what has taken the terminal: it gives it back before the process stops, and takes it again when that goes on.
final class StopSignals: Sendable {
    /// A source works as long as someone holds it.
    private let sources: Mutex<[any DispatchSourceSignal]>

    init(stop: @escaping @Sendable () -> Void, resume: @escaping @Sendable () -> Void) {
        // Else the default action comes first.
        _ = signal(SIGTSTP, SIG_IGN)
        let stopping = DispatchSource.makeSignalSource(signal: SIGTSTP)
        stopping.setEventHandler {
            stop()
            // All threads stop, this one within the call.
            _ = kill(getpid(), SIGSTOP)
        }
        let resuming = DispatchSource.makeSignalSource(signal: SIGCONT)
        resuming.setEventHandler { resume() }
        for source in [stopping, resuming] { source.resume() }
        sources = Mutex([stopping, resuming])
    }

    /// From now on the process stops as if nothing was here.
    func restore() {
        _ = signal(SIGTSTP, SIG_DFL)
        sources.withLock { $0 = [] }
    }
}
