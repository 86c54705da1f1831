/// The place of an iterator in its queue. It holds a run of messages, so that most steps take no lock.
final class Cursor {
    private let queue: MessageQueue
    private var run = ReceivedRun()
    /// Those of the run, when it has them: a message is then made without a look at the run.
    private var places: [ReceivedRun.Place] = []
    private var sources: [ReceivedRun.Source] = []
    /// Where to go on in the run.
    private var index = 0
    private var consumedBytes = 0
    /// Those of the run that the queue was told of.
    private var consumedBefore = 0
    /// What was handed out and not released, of those that are to be acknowledged.
    private var current = 0..<0

    init(_ queue: MessageQueue) {
        self.queue = queue
        queue.attach()
    }

    deinit {
        let unread = run[index..<max(index, run.indices.upperBound)]
        // Those of QoS 0 were handed out, which is all that was promised.
        let unreleased = run[current].partition { run, index in run.receipt(at: index) != 0 || run.stream(at: index) != nil }?.claimed
        queue.detach(
            unreleased: ReceivedRun(unreleased ?? [], arrival: run.arrival), unread: unread,
            consumed: index - run.indices.lowerBound - consumedBefore, bytes: consumedBytes)
    }

    /// Releases what was handed out.
    func release() {
        guard !current.isEmpty else { return }
        let released = current
        current = 0..<0
        if released.count == 1, released.lowerBound < places.count {
            // Without a look at the run, whose references would be counted.
            queue.releases.release(places[released.lowerBound].receipt)
        } else {
            queue.releases.release(run[released])
            queue.reading(nil)
        }
    }

    /// Releases the message before, and hands out the next one of the run.
    func nextAtHand() -> Message? {
        release()
        while index < run.indices.upperBound {
            let next = index
            index += 1
            if next < places.count {
                let place = places[next]
                consumedBytes += Int(place.heldBytes)
                if place.receipt != 0 {
                    if queue.releases.isStale(place.receipt, place.qos) { continue }
                    current = next..<next + 1
                }
                return place.message(sources)
            }
            consumedBytes += run.heldBytes(at: next)
            let stream = run.stream(at: next)
            if run.receipt(at: next) == 0, stream == nil { return run.message(at: next) }
            if run.isStale(at: next, queue.releases) {
                run.skip(at: next)
                continue
            }
            current = next..<next + 1
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
            if index == run.indices.upperBound, !(try await advance(joins: true, isolation: actor)) { return nil }
            while index < run.indices.upperBound, run.isStale(at: index, queue.releases) {
                run.skip(at: index)
                index = consumed(index)
            }
            let first = index
            while index < run.indices.upperBound, !run.isStale(at: index, queue.releases) {
                let stream = run.stream(at: index)
                index = consumed(index)
                guard let stream else { continue }
                reading(stream)
                break
            }
            guard first < index else { continue }
            current = first..<index
            return run[current]
        }
    }

    private func reading(_ stream: PayloadStream) {
        let handedOut = index - run.indices.lowerBound
        queue.reading(stream, consumed: handedOut - consumedBefore, bytes: consumedBytes)
        (consumedBefore, consumedBytes) = (handedOut, 0)
    }

    private func consumed(_ index: Int) -> Int {
        consumedBytes += run.heldBytes(at: index)
        return index + 1
    }

    /// Waits for more, which takes the place of what is at hand. Returns false when there is none.
    private func advance(joins: Bool, isolation actor: isolated (any Actor)?) async throws(MQTTError) -> Bool {
        let (consumed, bytes) = (index - run.indices.lowerBound - consumedBefore, consumedBytes)
        run = ReceivedRun()
        (places, sources) = ([], [])
        (index, consumedBytes, consumedBefore) = (0, 0, 0)
        guard let next = try await queue.take(consumed: consumed, bytes: bytes, joins: joins, isolation: actor) else { return false }
        run = next
        index = next.indices.lowerBound
        if case .places(let places, let sources) = next.storage { (self.places, self.sources) = (places, sources) }
        return true
    }
}
