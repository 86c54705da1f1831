import MQTTCore

/// One direction of a connection: what was sent and has not arrived.
package struct Pipe: Sendable {
    package init() {}

    private var bytes: [UInt8] = []
    private var head = 0
    /// An arrival is scheduled.
    package var isMoving = false
    /// Nothing moves until it is resumed.
    package var isStalled = false
    /// Nothing moves any more, and the sender is not told.
    package var isBroken = false
    /// The end follows behind the last byte.
    package var isEnding = false

    package var count: Int { bytes.count - head }

    /// Some bytes were lost: so are those behind them, whatever becomes of the end.
    private var isCut = false

    /// What is sent behind the end is lost.
    package mutating func append(_ more: some Collection<UInt8>) {
        if !isEnding, !isCut { bytes.append(contentsOf: more) }
    }

    package mutating func take(_ wanted: Int) -> [UInt8] {
        let end = head + min(wanted, count)
        let taken = Array(bytes[head..<end])
        head = end
        if head == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 32_768 {
            bytes.removeSubrange(0..<head)
            head = 0
        }
        return taken
    }

    /// Loses everything behind the first `count` bytes.
    package mutating func truncate(to count: Int) {
        bytes.removeSubrange(head + min(count, self.count)..<bytes.count)
        isCut = true
    }
}

/// A connection between the client under test and the broker.
struct Connection: Sendable {
    var toBroker = Pipe()
    var toClient = Pipe()
    var isOpenAtClient = true
    var isOpenAtBroker = true
    /// The broker keeps something back on it that it will never send.
    var isSwallowing = false
    /// CONNECT asked for an empty session.
    var isClean = false
    /// The broker sent what is no packet.
    var isGarbled = false
    /// CONNACK is on its way.
    var isAnswered = false
}
