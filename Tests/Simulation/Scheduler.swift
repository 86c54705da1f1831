import MQTTCore

/// What is going to happen in a world.
enum Action: Sendable, BitwiseCopyable {
    /// The application does something.
    case application
    /// The consumer of a queue asks for its next message.
    case consume(Int)
    /// Another client publishes something that the client under test subscribed to.
    case publishFromElsewhere
    case fault
    case timer
    case commit(process: Int)
    case flushStore(process: Int)
    /// Payloads were read from the store.
    case load(process: Int)
    /// The next process begins.
    case restart(process: Int)
    /// The disk can be written again.
    case healDisk(process: Int)
    case dialAnswered(Link, isOpen: Bool)
    case dialTimedOut(Link)
    /// The event loop writes what the client wants to send.
    case flush(Link)
    case arriveAtBroker(Link)
    case arriveAtClient(Link)
    /// The end of the connection reaches a side.
    case closeAtBroker(Link)
    case closeAtClient(Link)
    /// The transport reports a connection closed that the session gave up.
    case reportClosed(Link)
    case resumeToBroker(Link)
    case resumeToClient(Link)
    case brokerTick
    case cancel(Ticket)
}

/// Actions by time, and among equal times by the order in which they were scheduled: a binary heap.
struct Scheduler: Sendable {
    private struct Entry: Sendable, BitwiseCopyable {
        var time: Int64
        var order: UInt64
        var action: Action

        func precedes(_ other: Entry) -> Bool { time != other.time ? time < other.time : order < other.order }
    }

    private var heap: [Entry] = []
    private var order: UInt64 = 0

    var nextTime: Int64? { heap.first?.time }

    mutating func schedule(_ action: Action, at time: Int64) {
        order += 1
        let entry = Entry(time: time, order: order, action: action)
        heap.append(entry)
        var index = heap.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard entry.precedes(heap[parent]) else { break }
            heap[index] = heap[parent]
            index = parent
        }
        heap[index] = entry
    }

    mutating func next() -> (time: Int64, action: Action)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return (first.time, first.action) }
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
            guard heap[child].precedes(last) else { break }
            heap[index] = heap[child]
            index = child
        }
        heap[index] = last
        return (first.time, first.action)
    }
}
