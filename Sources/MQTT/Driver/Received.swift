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
    private let fates = Mutex(LinkFates())
    /// Nothing from here on is stale.
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
        if receipt == 0 { return }
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
    func markStale(below receipt: Receipt) {
        fates.withLock { $0.append(.comesAgain, below: receipt) }
        staleBelow.store(receipt, ordering: .releasing)
    }

    /// The broker has forgotten what it delivered before: nothing below this receipt comes again, ever.
    func markKept(below receipt: Receipt) { fates.withLock { $0.append(.isForgotten, below: receipt) } }

    /// Whether the message comes again, or came in part: it is not to be handed over.
    func isStale(_ received: Received) -> Bool {
        if isStale(received.receipt, received.message.qos) { return true }
        if case .stream(let stream) = received.message.payload.storage { return stream.isBroken }
        return false
    }

    /// Whether the message comes again.
    func isStale(_ receipt: Receipt, _ qos: QoS) -> Bool {
        guard receipt != 0, qos == .atLeastOnce, receipt < staleBelow.load(ordering: .acquiring) else { return false }
        return fates.withLock { $0.fate(of: receipt) } == .comesAgain
    }
}

/// What becomes of the messages that a link left unacknowledged is decided once: by whether the next one finds the session.
private struct LinkFates {
    enum Fate { case comesAgain, isForgotten }

    /// In ascending order, neighbours alternating.
    private var ends: [(below: Receipt, fate: Fate)] = []
    /// A message that waits through more losses of the session than this is handed over, though it may have come again.
    private static let most = 64

    mutating func append(_ fate: Fate, below receipt: Receipt) {
        if ends.last?.fate == fate { ends.removeLast() }
        ends.append((receipt, fate))
        if ends.count > Self.most { ends.removeFirst(ends[0].fate == .comesAgain ? 1 : 2) }
    }

    func fate(of receipt: Receipt) -> Fate? { ends.first { receipt < $0.below }?.fate }
}
