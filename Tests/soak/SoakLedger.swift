import MQTT
import MQTTCore
import NIOCore

/// What was accepted and what came, for one QoS level: numbered messages on a topic of their own.
struct SoakLedger: Sendable {
    let qos: QoS
    private(set) var accepted = 0
    private(set) var completed = 0
    private(set) var delivered = 0
    /// Came again.
    private(set) var doubled = 0
    /// Came for the first time behind one that was accepted later.
    private(set) var reordered = 0
    /// Is not what was sent under its number.
    private(set) var changed = 0
    /// Ended without the broker's acknowledgement.
    private(set) var failed: [String] = []
    /// A number, and the one that came before it.
    private(set) var firstReordered: (number: Int, behind: Int)?
    private var came: [UInt64]
    private var last = -1

    /// - Parameter expected: So many messages need no more memory.
    init(_ qos: QoS, expected: Int) {
        self.qos = qos
        came = [UInt64](repeating: 0, count: expected / 64 + 1)
    }

    var topic: String { "soak/\(qos.rawValue)" }
    var lost: Int { accepted - delivered }
    /// The first few that never came.
    var lostNumbers: [Int] {
        Array((0..<accepted).lazy.filter { $0 / 64 >= came.count || came[$0 / 64] & UInt64(1) << UInt64($0 % 64) == 0 }.prefix(10))
    }

    mutating func accept() { accepted += 1 }

    mutating func complete(_ error: MQTTError?) {
        if let error { failed.append("\(error)") } else { completed += 1 }
    }

    mutating func receive(_ payload: ByteBuffer) {
        guard let number = Self.number(of: payload.readableBytesView) else { return changed += 1 }
        let (word, bit) = (number / 64, UInt64(1) << UInt64(number % 64))
        while word >= came.count { came.append(0) }
        if came[word] & bit != 0 { return doubled += 1 }
        came[word] |= bit
        delivered += 1
        if number < last {
            reordered += 1
            if firstReordered == nil { firstReordered = (number, last) }
        }
        last = max(last, number)
    }

    // MARK: Content

    /// Eight bytes of number, and as many more as the number says, each of them following from it. Some are of many kilobytes.
    static func payload(_ number: Int) -> Payload {
        var bytes = (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        let length = length(number)
        bytes.reserveCapacity(8 + length)
        for index in 0..<length { bytes.append(UInt8(truncatingIfNeeded: number &+ index)) }
        return Payload(bytes: bytes)
    }

    private static func length(_ number: Int) -> Int {
        number % 500 == 499 ? 100_000 : (number &* 7_919) % 700
    }

    private static func number(of payload: ByteBufferView) -> Int? {
        let bytes = Array(payload)
        guard bytes.count >= 8 else { return nil }
        var number = 0
        for index in 0..<8 { number |= Int(bytes[index]) << (8 * index) }
        guard number >= 0, bytes.count == 8 + length(number) else { return nil }
        for index in 8..<bytes.count where bytes[index] != UInt8(truncatingIfNeeded: number &+ index - 8) { return nil }
        return number
    }
}
