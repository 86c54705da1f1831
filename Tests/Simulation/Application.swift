import MQTTCore

/// The application of the client: its queues of received messages, and who reads them.
struct Application: Sendable {
    struct Queue: Sendable {
        private var messages: [Int] = []
        private var head = 0
        /// The message that the consumer works on.
        var held: Int?
        /// Its next question is scheduled.
        var isScheduled = false
        /// It waits for the rest of the payload.
        var awaitsRest = false
        var consumed = 0

        var count: Int { messages.count - head }

        mutating func append(_ message: Int) { messages.append(message) }

        mutating func pop() -> Int? {
            guard head < messages.count else { return nil }
            defer {
                head += 1
                if head == messages.count {
                    messages.removeAll(keepingCapacity: true)
                    head = 0
                }
            }
            return messages[head]
        }

        mutating func remove(where isUnwanted: (Int) -> Bool) {
            messages.removeSubrange(..<head)
            head = 0
            messages.removeAll(where: isUnwanted)
        }

        mutating func swapLast() {
            if count >= 2 { messages.swapAt(messages.count - 1, messages.count - 2) }
        }
    }

    var queues: [Queue]
    let limit: Int
    var needsSubscription = true
    var subscribing: Ticket = 0
    var calmLosses = 0

    init(_ plan: Plan) {
        queues = [Queue](repeating: Queue(), count: plan.queues)
        limit = plan.queueLimit
    }

    var isFull: Bool { queues.contains { $0.count >= limit } }
    var hasRoom: Bool { queues.allSatisfy { $0.count <= limit / 2 } }
    var isIdle: Bool { queues.allSatisfy { $0.count == 0 && $0.held == nil } }

    mutating func dropUnread(_ inbound: InboundLedger) {
        for index in queues.indices { queues[index].remove { inbound[$0].qos == .atLeastOnce } }
    }

    /// What broke off is taken from its queue.
    mutating func breakOff(_ message: Int) {
        for index in queues.indices { queues[index].remove { $0 == message } }
    }
}

extension World {
    mutating func enqueue(_ message: Int) {
        let queue = inbound.origins[inbound[message].origin].queue
        application.queues[queue].append(message)
        if settings.canary == .swapsReceived, dice.chance(1, in: 10) { application.queues[queue].swapLast() }
        scheduleConsumer(queue)
        if application.isFull { stopReading() }
    }

    mutating func scheduleConsumer(_ queue: Int) {
        guard !application.queues[queue].isScheduled else { return }
        let pause = isCalm ? 0 : plan.consumerPauses[queue]
        if pause < 0, application.queues[queue].consumed > 5 { return }
        application.queues[queue].isScheduled = true
        after(1 + dice.below(max(0, pause) * 2 + 20 * microsecond), .consume(queue))
    }

    /// The consumer asks for its next message: it is done with the one before.
    mutating func consume(_ queue: Int) {
        application.queues[queue].isScheduled = false
        guard !shell.isEnded else { return }
        if let held = application.queues[queue].held {
            guard finish(held, queue) else { return }
            application.queues[queue].held = nil
        }
        guard failure == nil else { return }
        application.queues[queue].consumed += 1
        if let next = application.queues[queue].pop() {
            application.queues[queue].held = next
            if inbound[next].isWhole { check(inbound.handOver(next)) }
            scheduleConsumer(queue)
        }
        if application.hasRoom { resumeReading() }
    }

    /// Returns whether the consumer goes on.
    private mutating func finish(_ held: Int, _ queue: Int) -> Bool {
        let message = inbound[held]
        // A message that broke off comes again, unless it was dismissed.
        if message.isBroken { return true }
        if !message.isWhole {
            guard dice.chance(1, in: 3) else {
                application.queues[queue].awaitsRest = true
                return false
            }
            marks.hit(.streamedInSkipped)
        }
        inbound[held].isReleased = true
        guard message.qos != .atMostOnce else { return true }
        if message.link != shell.link { marks.hit(.releaseOfEarlierLink) }
        step(.release(message.receipt))
        return true
    }

    mutating func becameWhole(_ message: Int) {
        for queue in application.queues.indices where application.queues[queue].held == message {
            check(inbound.handOver(message))
            if application.queues[queue].awaitsRest { continueAfterRest(queue) }
        }
    }

    mutating func brokeOff(_ message: Int) {
        application.breakOff(message)
        for queue in application.queues.indices where application.queues[queue].held == message {
            if application.queues[queue].awaitsRest { continueAfterRest(queue) }
        }
    }

    private mutating func continueAfterRest(_ queue: Int) {
        application.queues[queue].awaitsRest = false
        scheduleConsumer(queue)
    }
}
