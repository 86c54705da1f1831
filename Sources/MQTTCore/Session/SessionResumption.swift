/// How a session goes on where an earlier run of it ended, before it starts.
extension Session {
    /// Puts a publish behind the others: in the order of their numbers. Returns false when it is not behind them, or so far behind that
    /// the numbers cannot be those of one session.
    package mutating func resume(_ publish: ResumedPublish) -> Bool { phase == .idle && outbound.restore(publish) }

    /// PUBREC came for that publish. In the order of PUBRECs. Returns false when there is no such publish of QoS 2.
    package mutating func resumeReceived(_ serial: Serial) -> Bool { phase == .idle && outbound.restoreReceived(serial) }

    /// That publish is lost, and may have been sent: its identifier is to be set free at the broker.
    ///
    /// - Parameter isStored: Whether the store says so. If not, it is written down ahead of anything else, and before PUBREL goes out: a
    ///   store that is written to may forget what it has lost, and the next run would take the number for a free one.
    package mutating func resumeGivenUp(_ serial: Serial, isStored: Bool = true) -> Bool {
        guard phase == .idle, outbound.restoreGivenUp(serial, isStored: isStored) else { return false }
        if !isStored { unstoredLosses.append(serial) }
        return true
    }

    /// Writes down what was lost, once: the first event does it.
    mutating func storeLosses(into effects: inout Effects) {
        for serial in unstoredLosses { commits.store(.givenUp(serial), into: &effects) }
        unstoredLosses = []
    }

    /// The application owns the QoS 2 message of this identifier.
    package mutating func resumeInbound(_ packetID: PacketID) {
        if phase == .idle { inbound.restore(packetID) }
    }

    /// New publishes get numbers from this one on, unless it has been used.
    package mutating func resumeNumbering(at serial: Serial) {
        if phase == .idle { outbound.begin(at: serial) }
    }

    /// Publishes that were accepted and have not come to their end.
    package var outboundCount: Int { outbound.count }
    /// Publishes with lower numbers have all come to their end.
    package var outboundBase: Serial { outbound.publishes.base }
    /// The next publish gets this number.
    package var outboundEnd: Serial { outbound.publishes.end }

    /// Whether it has not come to its end.
    package func isUnfinished(_ serial: Serial) -> Bool {
        outbound.publishes[serial].map { !$0.marks.contains(.givenUp) } ?? false
    }

    /// What has to leave the queue before it takes such a publish.
    package func shortage(_ qos: QoS, queuedBytes: Int) -> QueueShortage {
        outbound.shortage(qos, queuedBytes: queuedBytes, configuration.limits)
    }

    /// What `evict` would set free. Nil when the publish has to stay.
    package func evictable(_ serial: Serial) -> (qos: QoS, bytes: Int)? { outbound.droppable(serial) }

    /// Whether `evictOldest` of that level, as often as it takes, makes up for the shortage.
    package func canMakeUp(for shortage: QueueShortage, by qos: QoS) -> Bool { outbound.canMakeUp(for: shortage, by: qos) }

    /// The first publishes of these numbers that have not come to their end, in order.
    package func unfinished(in serials: Range<Serial>, upTo count: Int) -> [UnfinishedPublish] {
        var found: [UnfinishedPublish] = []
        var next = serials.lowerBound
        while found.count < count, let serial = outbound.publishes.next(from: next), serial < serials.upperBound {
            next = serial + 1
            let publish = outbound.publishes[present: serial]
            if publish.marks.contains(.givenUp) { continue }
            found.append(
                UnfinishedPublish(serial: serial, qos: publish.qos, bytes: Int(publish.bytes), acceptedAt: publish.acceptedInstant))
        }
        return found
    }
}

/// A publish on its way.
package struct UnfinishedPublish: Sendable, Equatable, BitwiseCopyable {
    package var serial: Serial
    package var qos: QoS
    /// Of its payload.
    package var bytes: Int
    /// To a tenth of a second.
    package var acceptedAt: Instant
}
