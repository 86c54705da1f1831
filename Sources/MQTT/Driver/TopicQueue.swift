internal import DequeModule

/// Which queued publishes a newer one of their topic has made out of date.
struct TopicQueue: Sendable {
    private struct Newest {
        var serial: Serial
        var qos: QoS
    }

    private var newest: [String: Newest] = [:]
    /// By level, in the order in which they became so.
    private var outdated: [QoS: Deque<Serial>] = [:]

    mutating func accepted(_ serial: Serial, _ qos: QoS, _ topic: String) {
        guard let before = newest.updateValue(Newest(serial: serial, qos: qos), forKey: topic) else { return }
        outdated[before.qos, default: []].append(before.serial)
    }

    /// Those that may give way to a new publish, as many as it takes: the ones longest out of date, then the one that the new publish
    /// makes so. Nil when all of them are not enough, and nothing is to be dropped in vain.
    mutating func givingWay(to topic: String, _ qos: QoS, _ shortage: QueueShortage, in session: Session) -> [Serial]? {
        var left = shortage
        let own = take(qos, session, &left) { !$0.isMadeUp }
        var before: [Serial] = []
        if !left.isMadeUp, let serial = newest[topic]?.serial, let found = session.evictable(serial), found.qos == qos || left.places <= 0 {
            left.bytes -= found.bytes
            if found.qos == qos { left.places -= 1 }
            before = [serial]
        }
        // The other level has bytes to give, and no places.
        let other = qos == .atLeastOnce ? QoS.exactlyOnce : .atLeastOnce
        let others = left.places > 0 ? [] : take(other, session, &left) { $0.bytes > 0 }
        guard left.isMadeUp else {
            outdated[qos, default: []].prepend(contentsOf: own)
            outdated[other, default: []].prepend(contentsOf: others)
            return nil
        }
        if !before.isEmpty { newest[topic] = nil }
        return own + before + others
    }

    /// What cannot be dropped has come to its end, or is about to.
    private mutating func take(
        _ qos: QoS, _ session: Session, _ left: inout QueueShortage, while isNeeded: (QueueShortage) -> Bool
    ) -> [Serial] {
        var taken: [Serial] = []
        while isNeeded(left), let serial = outdated[qos, default: []].popFirst() {
            guard let found = session.evictable(serial) else { continue }
            left.bytes -= found.bytes
            left.places -= 1
            taken.append(serial)
        }
        return taken
    }

    /// Forgets what has come to its end. Called now and then: the number of topics is unlimited.
    mutating func prune(_ isUnfinished: (Serial) -> Bool, count: Int) {
        guard newest.count + outdated.values.reduce(0, { $0 + $1.count }) > 2 * count + 1_000 else { return }
        newest = newest.filter { isUnfinished($0.value.serial) }
        outdated = outdated.mapValues { serials in Deque(serials.filter(isUnfinished)) }
    }
}

extension EngineState {
    /// Makes room in the queue, and submits again. Nil when what could give way is not enough: then it stays.
    mutating func makeRoom(
        for publication: Publication, _ record: DeliveryRecord, _ action: QueueFullAction, at now: Instant
    ) -> Acceptance? {
        let qos = publication.qos
        let shortage = session.shortage(qos, queuedBytes: publication.queuedBytes)
        switch action {
        case .refuse, .wait: return nil
        case .dropOldest:
            guard session.canMakeUp(for: shortage, by: qos) else { return nil }
            while !session.shortage(qos, queuedBytes: publication.queuedBytes).isMadeUp {
                let before = session.outboundCount
                step(.evictOldest(qos), at: now)
                guard session.outboundCount < before else { return nil }
            }
        case .keepNewestPerTopic:
            topics?.prune({ [session] in session.isUnfinished($0) }, count: session.outboundCount)
            guard let serials = topics?.givingWay(to: publication.topic, qos, shortage, in: session) else { return nil }
            for serial in serials { step(.evict(serial), at: now) }
        }
        return submit(record, qos, queuedBytes: publication.queuedBytes, at: now)
    }
}
