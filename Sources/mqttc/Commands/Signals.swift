import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// SIGINT, SIGTERM and SIGHUP as values: they end a command in good order, after a clean DISCONNECT.
final class Signals: Sendable {
    private let numbers: AsyncStream<Int32>
    private let handled: [Int32]
    /// A source works as long as someone holds it.
    private let sources: Mutex<[any DispatchSourceSignal]>

    init() {
        let (numbers, continuation) = AsyncStream.makeStream(of: Int32.self)
        self.numbers = numbers
        var handled = [SIGINT, SIGTERM]
        // Under nohup, which ignores it, it is to mean nothing.
        if !System.isIgnored(signal: SIGHUP) { handled.append(SIGHUP) }
        self.handled = handled
        let sources = handled.map { number in
            // Else the default action comes first.
            _ = signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { continuation.yield(number) }
            source.resume()
            return source
        }
        self.sources = Mutex(sources)
    }

    /// Waits for the first signal. Nil when the task was canceled.
    func first() async -> Int32? {
        for await number in numbers { return number }
        return nil
    }

    /// From now on a signal ends the process, as if nothing was here.
    func restore() {
        for number in handled { _ = signal(number, SIG_DFL) }
        sources.withLock { $0 = [] }
    }
}
