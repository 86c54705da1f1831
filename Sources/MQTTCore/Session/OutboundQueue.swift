/// What the application does to its publishes: hand over, take back, give up; and what the queue's bounds do to them.
extension OutboundFlow {
    func refusal(_ qos: QoS, queuedBytes bytes: Int, _ limits: Limits) -> Refusal? {
        let (count, limit) = qos == .atLeastOnce ? (atLeastOnceCount, limits.atLeastOnce) : (exactlyOnceCount, limits.exactlyOnce)
        if limit == 0 { return .disabled }
        return count >= limit || queuedBytes + bytes > limits.queuedBytes ? .tooManyRequests : nil
    }

    /// What has to leave before such a publish fits.
    func shortage(_ qos: QoS, queuedBytes bytes: Int, _ limits: Limits) -> QueueShortage {
        let (count, limit) = qos == .atLeastOnce ? (atLeastOnceCount, limits.atLeastOnce) : (exactlyOnceCount, limits.exactlyOnce)
        return QueueShortage(places: count - limit + 1, bytes: queuedBytes + bytes - limits.queuedBytes)
    }

    mutating func accept(_ qos: QoS, queuedBytes bytes: Int, isStored: Bool, at now: Instant) -> Serial {
        let serial = publishes.end
        var publish = Publish(
            state: isStored ? .queued : .storing, qos: qos, bytes: UInt32(clamping: bytes), acceptedAt: Self.tenths(now, roundedUp: true))
        if !isStored, memoryBytes >= memoryLimit { publish.marks.insert(.unloads) }
        enter(publish)
        publishes.append(publish)
        return serial
    }

    /// Takes its place in the queue.
    mutating func enter(_ publish: Publish) {
        if publish.qos == .atLeastOnce { atLeastOnceCount += 1 } else { exactlyOnceCount += 1 }
        queuedBytes += Int(publish.bytes)
        if !publish.marks.contains(.absent) { memoryBytes += Self.memory(publish) }
    }

    /// Whether it was never sent, and so could be taken back.
    mutating func withdraw(_ serial: Serial) -> Bool {
        // A publish whose session was lost counts as never sent under its identifier, but it may have arrived.
        guard serial >= perhapsSentEnd, let publish = publishes[serial] else { return false }
        guard publish.state == .storing || publish.state == .queued else { return false }
        complete(serial)
        return true
    }

    enum AbandonOutcome: Equatable {
        case refused
        /// It is gone.
        case complete
        /// It is gone for the application; PUBREL goes out once that is stored.
        case released
    }

    /// Whether it was sent on the link that there is, or is just being written.
    func isOnTheWire(_ serial: Serial) -> Bool { publishes[serial]?.marks.contains(.counted) ?? false }

    /// Gives up a publish that PUBREC has not come for: its payload cannot be sent again.
    ///
    /// At QoS 2 the broker may have got an earlier PUBLISH, and then keeps the identifier until PUBREL [MQTT-4.3.3-2]: a later
    /// message under it would be dropped as a repetition. So PUBREL goes out on the next link as if PUBREC had come.
    mutating func abandon(_ serial: Serial, isDurable: Bool) -> AbandonOutcome {
        guard let publish = publishes[serial], !publish.marks.contains(.givenUp) else { return .refused }
        switch publish.state {
        case .sent where publish.qos == .exactlyOnce, .queued where publish.qos == .exactlyOnce && serial < perhapsSentEnd:
            release(serial, isDurable: isDurable)
            leaveQueue(publish)
            publishes[present: serial].marks.insert(.givenUp)
            return .released
        case .storing, .queued, .sent, .storingAgain:
            complete(serial)
            return .complete
        case .storingReceived, .received: return .refused
        }
    }

    // MARK: Bounds

    /// Whether it may go for the queue's sake: it did not go out in this run.
    private func mayBeDropped(_ serial: Serial) -> Bool { isCandidate(serial) && isUnambiguous(serial) }

    private func isCandidate(_ serial: Serial) -> Bool {
        guard serial >= sentEnd, let publish = publishes[serial], !publish.marks.contains(.givenUp) else { return false }
        return publish.state == .queued || publish.state == .storing
    }

    /// At QoS 2 an earlier run may have left its identifier with the broker. Those are ended one window at a time: in it identifiers
    /// are unambiguous.
    private func isUnambiguous(_ serial: Serial) -> Bool {
        publishes[serial]?.qos == .atLeastOnce || serial >= resumedEnd || serial < publishes.base + UInt64(PublishID.count)
    }

    /// Drops one publish for the sake of another. Nil when it has to stay.
    mutating func evict(_ serial: Serial, isDurable: Bool) -> AbandonOutcome? {
        mayBeDropped(serial) ? abandon(serial, isDurable: isDurable) : nil
    }

    /// What dropping it would set free. Nil when it has to stay.
    func droppable(_ serial: Serial) -> (qos: QoS, bytes: Int)? {
        guard mayBeDropped(serial), let publish = publishes[serial] else { return nil }
        return (publish.qos, Int(publish.bytes))
    }

    /// Whether dropping publishes of that level would make up for the shortage. Nothing is dropped in vain.
    func canMakeUp(for shortage: QueueShortage, by qos: QoS) -> Bool {
        var left = shortage
        let cursor = qos == .atLeastOnce ? atLeastOnceCursor : exactlyOnceCursor
        for serial in publishes.numbers(from: max(cursor, sentEnd)) {
            if left.isMadeUp { return true }
            guard let publish = droppable(serial), publish.qos == qos else { continue }
            left.places -= 1
            left.bytes -= publish.bytes
        }
        return left.isMadeUp
    }

    /// The oldest publish of that level that may be dropped.
    mutating func evictable(_ qos: QoS) -> Serial? {
        let start = qos == .atLeastOnce ? atLeastOnceCursor : exactlyOnceCursor
        let oldest = candidate(from: start, qos)
        // What was passed over once is not looked at again.
        if qos == .atLeastOnce { atLeastOnceCursor = oldest ?? publishes.end } else { exactlyOnceCursor = oldest ?? publishes.end }
        guard let oldest, !isUnambiguous(oldest) else { return oldest }
        // Those behind it are no better, up to the first of this run.
        return candidate(from: resumedEnd, qos)
    }

    /// The oldest publish, when it was accepted before that time and may be dropped. The next one is asked for when it is gone.
    mutating func expired(_ age: Int64, at now: Instant) -> Serial? {
        ageCursor = candidate(from: ageCursor) ?? publishes.end
        guard let serial = ageing, publishes[present: serial].acceptedAt <= Self.tenths(now + -age, roundedUp: false) else { return nil }
        return serial
    }

    /// When that publish is of that age.
    func expiry(_ age: Int64) -> Instant? { ageing.map { publishes[present: $0].acceptedInstant + age } }

    /// The oldest publish, unless it has to wait until identifiers are free: those behind it wait with it.
    private var ageing: Serial? { candidate(from: ageCursor).flatMap { isUnambiguous($0) ? $0 : nil } }

    private func candidate(from serial: Serial, _ qos: QoS? = nil) -> Serial? {
        publishes.numbers(from: max(serial, sentEnd)).first { isCandidate($0) && (qos == nil || publishes[$0]?.qos == qos) }
    }

    fileprivate static var tenth: Int64 { 100_000_000 }

    static func tenths(_ instant: Instant, roundedUp: Bool) -> Int32 {
        let (quotient, remainder) = instant.nanoseconds.quotientAndRemainder(dividingBy: tenth)
        let floor = remainder < 0 ? quotient - 1 : quotient
        return Int32(clamping: roundedUp && remainder != 0 ? floor + 1 : floor)
    }
}

extension OutboundFlow.Publish {
    var acceptedInstant: Instant { Instant(nanoseconds: Int64(acceptedAt) * OutboundFlow.tenth) }
}

/// What a queue is short of before it takes another publish of a level.
package struct QueueShortage: Sendable, Equatable {
    /// Publishes of that level that are too many.
    package var places: Int
    /// Bytes of any level that are too many.
    package var bytes: Int

    package var isMadeUp: Bool { places <= 0 && bytes <= 0 }
}
