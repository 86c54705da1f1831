internal import NIOCore
internal import Synchronization

/// Whether the connection is read: not while any consumer is full. The broker then slows down by itself.
///
/// Consumers open and close it from any thread; the connection looks at it before each read, and is woken when it opens.
final class ReadGate: Sendable {
    private let closers = Atomic<Int>(0)
    private let eventLoop: any EventLoop
    private let changed = Mutex<Callback?>(nil)

    init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// Calls `action` on the event loop whenever the gate opens, and whenever one more consumer closes it: the task of that one may be
    /// waiting for an answer that it keeps from being read.
    func onChange(_ action: @escaping @Sendable () -> Void) { changed.withLock { $0 = Callback(action) } }

    var isOpen: Bool { closers.load(ordering: .acquiring) == 0 }

    func close() {
        closers.add(1, ordering: .acquiringAndReleasing)
        notify()
    }

    func open() {
        if closers.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { notify() }
    }

    private func notify() {
        guard let action = changed.withLock({ $0 }) else { return }
        eventLoop.execute { action() }
    }
}
