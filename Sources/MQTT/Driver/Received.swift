internal import NIOCore
internal import Synchronization

/// A message on its way from the connection to the application, and what is to happen when the application has released it.
struct Received: Sendable {
    var message: Message
    /// Names the message to the session. 0 at QoS 0, which nobody releases.
    var receipt: Receipt
    /// Set when the message goes to several sequences: the last one releases it.
    var shared: SharedRelease?

    /// The bytes that it pins while it waits. Of a stream, those that it may hold.
    var heldBytes: Int { min(message.payload.count, PayloadStream.capacity) + message.topic.utf8.count }

    /// The message for one of several sequences. Each has a stream of its own to read.
    func copy(_ index: Int, of shared: SharedRelease) -> Received {
        var copy = self
        copy.shared = shared
        if index > 0, case .stream(let stream) = message.payload.storage { copy.message = message.with(Payload(.stream(stream.fork()))) }
        return copy
    }
}

/// Counts the sequences that still hold a message.
final class SharedRelease: Sendable {
    private let holders: Atomic<Int>

    init(holders: Int) { self.holders = Atomic(holders) }

    /// Whether this was the last one.
    func release() -> Bool { holders.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }
}

/// Collects what the application has released, until the event loop tells the session: many releases are one wake-up.
final class ReleaseBox: Sendable {
    private let receipts = BusyMutex<[Receipt]>([])
    private let keptBelow = Atomic<UInt64>(0)
    private let staleBelow = Atomic<UInt64>(0)
    private let eventLoop: any EventLoop
    private let action = Mutex<Callback?>(nil)

    init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// Calls `action` on the event loop when there is something to take.
    func onRelease(_ action: @escaping @Sendable () -> Void) { self.action.withLock { $0 = Callback(action) } }

    func release(_ received: Received) {
        if case .stream(let stream) = received.message.payload.storage { stream.skip() }
        guard received.receipt != 0, received.shared?.release() ?? true else { return }
        release(received.receipt)
    }

    func release(_ receipt: Receipt) {
        let isFirst = receipts.withLock { receipts in
            receipts.append(receipt)
            return receipts.count == 1
        }
        if isFirst { wake() }
    }

    /// All at once.
    func release(_ run: ReceivedRun) {
        var released: [Receipt] = []
        for index in run.indices {
            if run.isPlace {
                if run.receipt(at: index) != 0 { released.append(run.receipt(at: index)) }
            } else {
                release(run[index])
            }
        }
        guard !released.isEmpty else { return }
        let isFirst = receipts.withLock { receipts in
            defer { receipts += released }
            return receipts.isEmpty
        }
        if isFirst { wake() }
    }

    private func wake() {
        if let action = action.withLock({ $0 }) { eventLoop.execute { action() } }
    }

    func takeAll() -> [Receipt] {
        receipts.withLock { receipts in
            let all = receipts
            receipts.removeAll(keepingCapacity: false)
            return all
        }
    }

    /// The broker delivers again what was not acknowledged on the link before: QoS 1 messages below this receipt are dropped.
    func markStale(below receipt: Receipt) { staleBelow.store(receipt, ordering: .releasing) }

    /// The broker has forgotten what it delivered before: nothing below this receipt comes again, ever.
    func markKept(below receipt: Receipt) { keptBelow.store(receipt, ordering: .releasing) }

    /// Whether the message comes again, or came in part: it is not to be handed over.
    func isStale(_ received: Received) -> Bool {
        if isStale(received.receipt, received.message.qos) { return true }
        if case .stream(let stream) = received.message.payload.storage { return stream.isBroken }
        return false
    }

    /// Whether the message comes again.
    func isStale(_ receipt: Receipt, _ qos: QoS) -> Bool {
        guard receipt != 0, qos == .atLeastOnce, receipt < staleBelow.load(ordering: .acquiring) else { return false }
        return receipt >= keptBelow.load(ordering: .acquiring)
    }
}
