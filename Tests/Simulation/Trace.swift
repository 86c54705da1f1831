import MQTTCore

/// The run of a world as a number, and on request as text.
///
/// Text costs more than the whole rest, so it is made only when a world is run again to be looked at.
package struct Trace: Sendable {
    package let isTracing: Bool
    package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    package private(set) var lines: [String] = []

    package init(isTracing: Bool) { self.isTracing = isTracing }

    private mutating func mix(_ value: UInt64) {
        hash = (hash ^ value) &* 0x9E37_79B9_7F4A_7C15
        hash ^= hash >> 29
    }

    package mutating func note(_ now: Int64, _ tag: Tag, _ value: UInt64 = 0, text: @autoclosure () -> String) {
        mix(UInt64(bitPattern: now) &+ UInt64(tag.rawValue) << 56)
        mix(value)
        if isTracing { append(now, text()) }
    }

    /// For the reader only.
    package mutating func comment(_ now: Int64, _ text: @autoclosure () -> String) {
        if isTracing { append(now, text()) }
    }

    package enum Tag: UInt8, Sendable {
        case event, effects, violation, brokerReceives, brokerClosed, brokerCloses, arrival, fault, phase
        // Of worlds with the real driver.
        case loopJob, taskJob, timer, application, network
    }

    private mutating func append(_ now: Int64, _ text: String) {
        guard !text.isEmpty else { return }
        let micros = now / 1_000
        let fraction = String(micros % 1_000_000)
        let padding = String(repeating: "0", count: 6 - fraction.utf8.count)
        lines.append("\(micros / 1_000_000).\(padding)\(fraction)  \(text)")
    }
}

extension Event {
    /// Distinguishes events for the trace's hash.
    var fingerprint: UInt64 {
        switch self {
        case .start: 1
        case .publish(let qos, let bytes): 2 + UInt64(qos.rawValue) << 8 + UInt64(bytes) << 16
        case .withdraw(let serial): 3 + serial << 8
        case .abandon(let serial): 24 + serial << 8
        case .subscribe(let ticket, let filters): 4 + ticket << 16 + UInt64(filters) << 8
        case .unsubscribe(let ticket): 5 + ticket << 8
        case .ping(let ticket): 6 + ticket << 8
        case .cancel(let ticket): 7 + ticket << 8
        case .release(let receipt): 8 + receipt << 8
        case .disconnect(let ticket): 9 + ticket << 8
        case .close: 10
        case .linkOpened(let link): 11 + UInt64(link) << 8
        case .linkClosed(let link): 12 + UInt64(link) << 8
        case .packet(let packet): 13 + packet.fingerprint << 8
        case .payloadCompleted: 14
        case .violation(let violation): 15 + UInt64(violation.rawValue) << 8
        case .received(let midPacket): midPacket ? 16 : 17
        case .reading(let isReading): isReading ? 18 : 19
        case .written(let pending): 20 + UInt64(pending) << 8
        case .stored(let number): 21 + number << 8
        case .tick: 22
        case .storeFailed: 23
        case .evict(let serial): 25 + serial << 8
        case .evictOldest(let qos): 26 + UInt64(qos.rawValue) << 8
        case .loaded(let serial): 27 + serial << 8
        case .unreadable(let serial): 28 + serial << 8
        case .slept(let nanoseconds): 30 + UInt64(truncatingIfNeeded: nanoseconds) << 8
        case .pace(let pace): 29 + UInt64(pace.rawValue) << 8
        }
    }
}

extension InboundPacket {
    fileprivate var fingerprint: UInt64 {
        switch self {
        case .connack(let present, let code): (present ? 1 : 2) + UInt64(code.rawValue) << 8
        case .publish(let publish):
            3 + UInt64(publish.qos.rawValue) << 8 + UInt64(publish.packetID) << 16 + (publish.isComplete ? 1 << 12 : 0)
        case .puback(let packetID): 4 + UInt64(packetID) << 8
        case .pubrec(let packetID): 5 + UInt64(packetID) << 8
        case .pubrel(let packetID): 6 + UInt64(packetID) << 8
        case .pubcomp(let packetID): 7 + UInt64(packetID) << 8
        case .suback(let packetID, let codes): 8 + UInt64(packetID) << 8 + UInt64(codes) << 32
        case .unsuback(let packetID): 9 + UInt64(packetID) << 8
        case .pingresp: 10
        }
    }
}
