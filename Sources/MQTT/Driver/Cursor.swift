/// The place of an iterator in its queue. It holds a run of messages, so that most steps take no lock.
///
/// One of the few files with `unsafe`: what is at hand is not checked for exclusive access at run time, which would cost more than the step
/// itself. A cursor is not `Sendable`, so one task at a time asks, and nothing that is called while the hand is changed asks again.
final class Cursor {
    private let queue: MessageQueue
    private var run = ReceivedRun()
    @exclusivity(unchecked) private var uncheckedHand = Hand()
    /// Those of the run that the queue was told of.
    private var consumedBefore = 0

    /// What nearly all steps are about. A value of its own: while a step changes it nothing in it has to be held, which would count
    /// references.
    private struct Hand {
        /// Those of the run, when it has them: a message is then made without a look at the run.
        var places: [ReceivedRun.Place] = []
        var maker = MessageMaker()
        /// Where to go on in the run, and where to end.
        var index = 0
        var end = 0
        var consumedBytes = 0
        /// What was handed out and not released, of those that are to be acknowledged.
        var current = 0..<0

        /// The next message of the places, unless it is to be acknowledged, and may be stale.
        mutating func nextAtMostOnce() -> Message? {
            guard index < end, index < places.count, places[index].receipt == 0 else { return nil }
            return next()
        }

        /// The next message of the places. It is there.
        mutating func next() -> Message {
            let place = places[index]
            index += 1
            consumedBytes += Int(place.heldBytes)
            return maker.message(place)
        }
    }

    private var hand: Hand {
        _read { yield unsafe uncheckedHand }
        _modify { yield unsafe &uncheckedHand }
    }

    init(_ queue: MessageQueue) {
        self.queue = queue
        queue.attach()
    }

    deinit {
        let unread = run[hand.index..<max(hand.index, run.indices.upperBound)]
        // Those of QoS 0 were handed out, which is all that was promised.
        let unreleased = run[hand.current].partition { run, index in run.receipt(at: index) != 0 || run.stream(at: index) != nil }?.claimed
        queue.detach(
            unreleased: ReceivedRun(unreleased ?? [], arrival: run.arrival), unread: unread,
            consumed: hand.index - run.indices.lowerBound - consumedBefore, bytes: hand.consumedBytes)
    }

    /// Releases what was handed out.
    func release() {
        guard !hand.current.isEmpty else { return }
        let released = hand.current
        hand.current = 0..<0
        if released.count == 1, released.lowerBound < hand.places.count {
            // Without a look at the run, whose references would be counted.
            queue.releases.release(hand.places[released.lowerBound].receipt)
        } else {
            queue.releases.release(run[released])
            queue.reading(nil)
        }
    }

    /// Releases the message before, and hands out the next one of the run.
    func nextAtHand() -> Message? {
        if !hand.current.isEmpty { release() }
        if let message = hand.nextAtMostOnce() { return message }
        while hand.index < hand.end {
            let next = hand.index
            if next < hand.places.count {
                let place = hand.places[next]
                if place.receipt != 0, queue.releases.isStale(place.receipt, place.qos) {
                    consume()
                    continue
                }
                if place.receipt != 0 { hand.current = next..<next + 1 }
                return hand.next()
            }
            consume()
            let stream = run.stream(at: next)
            if run.receipt(at: next) == 0, stream == nil { return run.message(at: next) }
            if run.isStale(at: next, queue.releases) {
                run.skip(at: next)
                continue
            }
            hand.current = next..<next + 1
            if let stream { reading(stream) }
            return run.message(at: next)
        }
        return nil
    }

    func next(isolation actor: isolated (any Actor)?) async throws(MQTTError) -> Message? {
        while true {
            guard try await advance(joins: false, isolation: actor) else { return nil }
            if let message = nextAtHand() { return message }
        }
    }

    /// Releases the messages before, and hands out those that are there next: one at least, and of streamed ones only the last.
    func nextBatch(isolation actor: isolated (any Actor)?) async throws(MQTTError) -> ReceivedRun? {
        release()
        while true {
            if hand.index == run.indices.upperBound, !(try await advance(joins: true, isolation: actor)) { return nil }
            while hand.index < run.indices.upperBound, run.isStale(at: hand.index, queue.releases) {
                run.skip(at: hand.index)
                consume()
            }
            let first = hand.index
            while hand.index < run.indices.upperBound, !run.isStale(at: hand.index, queue.releases) {
                let stream = run.stream(at: hand.index)
                consume()
                guard let stream else { continue }
                reading(stream)
                break
            }
            guard first < hand.index else { continue }
            hand.current = first..<hand.index
            return run[hand.current]
        }
    }

    private func reading(_ stream: PayloadStream) {
        let handedOut = hand.index - run.indices.lowerBound
        queue.reading(stream, consumed: handedOut - consumedBefore, bytes: hand.consumedBytes)
        (consumedBefore, hand.consumedBytes) = (handedOut, 0)
    }

    private func consume() {
        hand.consumedBytes += run.heldBytes(at: hand.index)
        hand.index += 1
    }

    /// Waits for more, which takes the place of what is at hand. Returns false when there is none.
    private func advance(joins: Bool, isolation actor: isolated (any Actor)?) async throws(MQTTError) -> Bool {
        let (consumed, bytes) = (hand.index - run.indices.lowerBound - consumedBefore, hand.consumedBytes)
        run = ReceivedRun()
        (hand, consumedBefore) = (Hand(), 0)
        guard let next = try await queue.take(consumed: consumed, bytes: bytes, joins: joins, isolation: actor) else { return false }
        run = next
        (hand.index, hand.end) = (next.indices.lowerBound, next.indices.upperBound)
        if case .places(let places, let sources) = next.storage { (hand.places, hand.maker) = (places, MessageMaker(sources)) }
        return true
    }
}
