/// Which publishes are on disk, and which payloads are in memory: those whose turn is near.
extension OutboundFlow {
    /// Publishes ahead of the one that is due whose payloads are read from the store.
    private static var readAhead: UInt64 { 256 }

    /// Nil when it is not waited for. Else whether its payload has to leave memory, unless it goes out at once.
    mutating func stored(_ serial: Serial) -> Bool? {
        guard let publish = publishes[serial], publish.state == .storing || publish.state == .storingAgain else { return nil }
        publishes[present: serial].state = .queued
        return publish.marks.contains(.unloads)
    }

    /// It could not be stored, and is the application's again.
    mutating func takeBack(_ serial: Serial) -> Bool {
        guard let publish = publishes[serial], publish.state == .storing else { return false }
        complete(serial)
        return true
    }

    /// Lets go of the payload until its turn is near.
    mutating func unload(_ serial: Serial) -> Bool {
        guard let publish = publishes[serial], publish.state == .queued, serial >= cursor + Self.readAhead else { return false }
        publishes[present: serial].marks.remove(.unloads)
        publishes[present: serial].marks.insert(.absent)
        memoryBytes -= Self.memory(publish)
        return true
    }

    /// Asks for payloads that are due soon, as far as there is memory for them; for the next one in any case.
    mutating func loadAhead(into effects: inout Effects) {
        guard loadCursor < publishes.end, loadCursor < cursor + Self.readAhead / 2 else { return }
        while let serial = publishes.next(from: max(loadCursor, cursor)), serial < cursor + Self.readAhead {
            let publish = publishes[present: serial]
            let isToBeSent = publish.state == .queued || publish.state == .storingAgain
            if isToBeSent, publish.marks.contains(.absent), !publish.marks.contains(.loading) {
                guard memoryBytes < memoryLimit || publishes.next(from: cursor) == serial else { return }
                publishes[present: serial].marks.insert(.loading)
                memoryBytes += Self.memory(publish)
                effects.append(.load(serial))
            }
            loadCursor = serial + 1
        }
    }

    /// The payload is in memory again.
    mutating func loaded(_ serial: Serial) {
        guard let publish = publishes[serial], publish.marks.contains(.loading) else { return }
        publishes[present: serial].marks.subtract([.loading, .absent])
    }

    // MARK: After a restart

    /// How far apart the numbers of one session can be: beyond, a store invented them.
    private static var span: UInt64 { 1 << 30 }

    private func canBegin(at serial: Serial) -> Bool {
        serial < 1 << 62 && (publishes.isEmpty || serial >= publishes.end && serial - publishes.base < Self.span)
    }

    /// Puts a publish of an earlier run behind the others. Returns false when its number cannot be.
    mutating func restore(_ resumed: ResumedPublish) -> Bool {
        guard canBegin(at: resumed.serial), resumed.qos != .atMostOnce else { return false }
        begin(at: resumed.serial)
        let publish = Publish(
            state: .queued, qos: resumed.qos, marks: [.absent, .wasSent], bytes: UInt32(clamping: resumed.bytes),
            acceptedAt: Self.tenths(resumed.acceptedAt, roundedUp: true))
        enter(publish)
        publishes.append(publish)
        resumedEnd = publishes.end
        return true
    }

    /// PUBREC came for it in an earlier run. In the order of PUBRECs. Returns false when there is no such publish.
    mutating func restoreReceived(_ serial: Serial) -> Bool {
        guard let publish = publishes[serial], publish.qos == .exactlyOnce, publish.state == .queued else { return false }
        release(serial, isDurable: false)
        return true
    }

    /// Its exchange is ended as if PUBREC had come [MQTT-4.3.3-1]; one that never began is ended by the broker's PUBCOMP alike.
    ///
    /// - Parameter isStored: Whether that is on disk. If not, PUBREL waits for it.
    mutating func restoreGivenUp(_ serial: Serial, isStored: Bool) -> Bool {
        if publishes.isEmpty { begin(at: serial) }
        let isNear = serial < publishes.end ? publishes.end - serial < Self.span : canBegin(at: serial)
        guard isNear, !publishes.contains(serial) else { return false }
        let publish = Publish(state: .queued, qos: .exactlyOnce, marks: [.absent, .wasSent, .givenUp], bytes: 0, acceptedAt: 0)
        publishes.insert(publish, at: serial)
        release(serial, isDurable: !isStored)
        linkLost()
        resumedEnd = publishes.end
        return true
    }

    /// The next publish gets this number, unless it has been used.
    mutating func begin(at serial: Serial) {
        guard canBegin(at: serial) else { return }
        if publishes.isEmpty { self = OutboundFlow(firstSerial: serial, memoryLimit: memoryLimit) } else { publishes.skip(to: serial) }
    }
}

/// A publish that an earlier run of the session accepted, and did not see complete.
package struct ResumedPublish: Sendable, Equatable, BitwiseCopyable {
    package var serial: Serial
    package var qos: QoS
    /// Of its payload.
    package var bytes: Int
    package var acceptedAt: Instant

    package init(_ serial: Serial, _ qos: QoS, bytes: Int, acceptedAt: Instant) {
        self.serial = serial
        self.qos = qos
        self.bytes = bytes
        self.acceptedAt = acceptedAt
    }
}
