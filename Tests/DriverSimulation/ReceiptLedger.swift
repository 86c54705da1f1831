import MQTTCore
import Simulation

/// What another client published, and what the application got of it.
struct ReceiptLedger {
    typealias Finding = (Invariant, String)

    struct Item {
        var queue: Int
        var qos: QoS
        var size: Int
        var epoch: Int
        /// The broker has kept it for the client.
        var isOwed = false
        var handedOver = 0
        /// All of its bytes were there for the application, or it did not want them.
        var isWhole = false
        /// The application has asked for the next one, or left.
        var isReleased = false
        /// Of that the process may have left nothing behind.
        var mayComeAgain = false
        /// PUBACK or PUBREC has come to the broker.
        var isAnswered = false
        /// The client may take it for another one.
        var isExcused = false
        /// It is on its way to the broker first.
        var isNeighbours = false
    }

    private(set) var items: [Item] = []
    /// By queue: what was sent before may be dropped, because a scope was left in the ordinary way.
    private var droppable: [Int]
    private var leaving: [Int]
    /// The client drops what nobody asks for.
    var dropsUnclaimed = false
    private(set) var handedOver = 0

    init(queues: Int) {
        droppable = Array(repeating: 0, count: queues)
        leaving = Array(repeating: 0, count: queues)
    }

    mutating func publish(queue: Int, qos: QoS, size: Int, epoch: Int, isNeighbours: Bool = false) -> Int {
        items.append(Item(queue: queue, qos: qos, size: size, epoch: epoch, isNeighbours: isNeighbours))
        return items.count - 1
    }

    mutating func excuse(_ origin: Int) { items[origin].isExcused = true }
    mutating func owe(_ origin: Int) { items[origin].isOwed = true }

    mutating func arrive(_ origin: Int, epoch: Int, isOwed: Bool) {
        // What an earlier session owed is gone with it.
        if items[origin].epoch != epoch { items[origin].isOwed = false }
        items[origin].epoch = epoch
        if isOwed { items[origin].isOwed = true }
    }

    // MARK: The application

    /// A message was handed out.
    mutating func handOver(_ origin: Int, topic: String, qos: QoS, epoch: Int) -> Finding? {
        guard items.indices.contains(origin) else { return (.payloadIntact, "message \(origin) was never sent") }
        let item = items[origin]
        if topic != "down/\(item.queue)" || qos != item.qos {
            return (.payloadIntact, "message \(origin) to down/\(item.queue) at \(item.qos) came as \(topic) at \(qos)")
        }
        items[origin].handedOver += 1
        handedOver += 1
        if item.qos == .exactlyOnce, item.isReleased, item.isWhole, !item.mayComeAgain, item.epoch == epoch {
            return (.exactlyOnce, "message \(origin) is handed over again, after its release")
        }
        return nil
    }

    /// What is streamed is told by its size, when its beginning is gone.
    func name(_ qos: QoS, size: Int) -> UInt64? {
        items.lastIndex { $0.size == size && $0.qos == qos }.map { Payloads.name(direction: 2, qos, $0) }
    }

    mutating func becomeWhole(_ origin: Int) { items[origin].isWhole = true }

    /// Whoever asks for the next message has done with the one before.
    mutating func release(_ origin: Int) { items[origin].isReleased = true }

    mutating func beginLeaving(_ queue: Int) { leaving[queue] += 1 }

    mutating func left(_ queue: Int) {
        leaving[queue] -= 1
        droppable[queue] = items.count
    }

    /// It was let go with a scope that was left in the ordinary way.
    func mayBeDropped(_ origin: Int) -> Bool {
        let queue = items[origin].queue
        return items[origin].isExcused || dropsUnclaimed || leaving[queue] > 0 || origin < droppable[queue]
    }

    /// What was released may not be on disk yet: the identifier is there before PUBREC goes out.
    mutating func processEnded() {
        for index in items.indices where items[index].isReleased && !items[index].isAnswered { items[index].mayComeAgain = true }
    }

    // MARK: The broker

    /// PUBACK or PUBREC has come to the broker.
    mutating func acknowledged(_ origin: Int) -> Finding? {
        guard items.indices.contains(origin) else { return (.acknowledgedInOrder, "an answer to message \(origin), which never was") }
        items[origin].isAnswered = true
        if items[origin].isReleased || mayBeDropped(origin) { return nil }
        // A repetition of what was released before is answered at once.
        let detail = items[origin].handedOver > 0 ? "and the application is still at it" : "and was never handed over"
        return (.handedOverBeforeAcknowledged, "message \(origin) is acknowledged, \(detail)")
    }

    /// What the broker had to bring, and the application never got.
    func lost(epoch: Int) -> Int? {
        items.indices.first { items[$0].isOwed && items[$0].epoch == epoch && items[$0].handedOver == 0 && !mayBeDropped($0) }
    }
}
