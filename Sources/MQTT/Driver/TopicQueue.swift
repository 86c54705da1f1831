internal import DequeModule

/// Which queued publishes a newer one of their topic has made out of date.
struct TopicQueue: Sendable {
    private var newest: [String: Serial] = [:]
    /// In order of their numbers, but for those that ended by themselves.
    private var outdated = Deque<Serial>()

    mutating func accepted(_ serial: Serial, _ topic: String) {
        if let before = newest.updateValue(serial, forKey: topic) { outdated.append(before) }
    }

    /// One that may give way to a new publish of this topic: the oldest that is out of date, or is about to be.
    mutating func next(for topic: String) -> Serial? { outdated.popFirst() ?? newest.removeValue(forKey: topic) }

    /// Forgets what has come to its end. Called now and then: the number of topics is unlimited.
    mutating func prune(_ isUnfinished: (Serial) -> Bool, count: Int) {
        guard newest.count + outdated.count > 2 * count + 1_000 else { return }
        newest = newest.filter { isUnfinished($0.value) }
        outdated.removeAll { !isUnfinished($0) }
    }
}

extension EngineState {
    /// Makes room in the queue, and submits again. Nil when there is nothing that could give way.
    mutating func makeRoom(for publication: Publication, _ action: QueueFullAction, at now: Instant) -> Submitted? {
        switch action {
        case .refuse, .wait: return nil
        case .dropOldest:
            return submitAgain(publication, at: now) { $0.step(.evictOldest(publication.qos), at: now) }
        case .keepNewestPerTopic:
            topics?.prune({ [session] in session.isUnfinished($0) }, count: session.outboundCount)
            return submitAgain(publication, at: now) { state in
                while let serial = state.topics?.next(for: publication.topic) {
                    let before = state.session.outboundCount
                    state.step(.evict(serial), at: now)
                    if state.session.outboundCount < before { return }
                }
            }
        }
    }

    private mutating func submitAgain(
        _ publication: Publication, at now: Instant, _ evict: (inout EngineState) -> Void
    ) -> Submitted? {
        while true {
            let before = session.outboundCount
            evict(&self)
            guard session.outboundCount < before else { return nil }
            let submitted = submit(publication, at: now)
            guard case .refused(.tooManyRequests) = submitted else { return submitted }
        }
    }
}
