import MQTT

/// What became of numbered messages: which are missing, which came more than once, and whether the order was kept.
struct Ledger: Sendable, Equatable {
    let qos: QoS
    /// Messages that the client accepted, numbered from 0.
    private(set) var sent = 0
    private(set) var received = 0
    private(set) var doubled = 0
    private(set) var isInOrder = true

    private var counts: [Int: Int] = [:]
    private var newest = -1

    init(_ qos: QoS) {
        self.qos = qos
    }

    /// The client has accepted the message with the next number.
    mutating func accept() {
        sent += 1
    }

    mutating func receive(_ number: Int) {
        received += 1
        counts[number, default: 0] += 1
        guard counts[number] == 1 else {
            doubled += 1
            return
        }
        // A repetition is no disorder; a first arrival behind a later one is.
        if number < newest { isInOrder = false }
        newest = max(newest, number)
    }

    var lost: Int { sent - counts.keys.count(where: { $0 < sent }) }
    /// Numbers that were never sent.
    var invented: Int { counts.keys.count(where: { $0 >= sent || $0 < 0 }) }

    /// Whether the guarantee of the QoS level held: at most once, at least once, exactly once, and in order always.
    var holds: Bool {
        guard isInOrder, invented == 0 else { return false }
        switch qos {
        case .atMostOnce: return doubled == 0
        case .atLeastOnce: return lost == 0
        case .exactlyOnce: return lost == 0 && doubled == 0
        }
    }
}
