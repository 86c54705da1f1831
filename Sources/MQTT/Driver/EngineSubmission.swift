internal import Logging
@_spi(Driver) internal import MQTTCore
internal import NIOCore
internal import Synchronization

/// How publishes and requests enter the engine, on the caller's thread.
extension Engine {
    /// A QoS 0 publish that nothing has to be waited for. Nil: that cannot be said, or it has to wait.
    func submitAtOnce(_ payload: Payload, to topic: String, retain: Bool) throws(MQTTError) -> Delivery? {
        guard !hasProfile, !payload.isStreamed, payload.count <= Self.uncheckedPayload else { return nil }
        let (transmission, wakes) = try core.state.withLock { state throws(MQTTError) -> (EngineState.Transmission?, Bool) in
            try check(topic, &state)
            guard hasRoom(state.outbound.bufferedBytes) else { return (nil, false) }
            return (state.transmitToChecked(payload, topic, retain: retain), state.needsFlush())
        }
        if wakes { wake() }
        if case .buffered(let link, let position) = transmission {
            return Delivery(storage: .buffered(core, link, position: position))
        }
        return nil
    }

    /// A publish of QoS 1 or 2 that nothing is special about, without the copies that a `Publication` costs. Nil: it was not taken, and
    /// nothing happened.
    func submitAtOnce(_ payload: Payload, to topic: String, _ qos: QoS, retain: Bool) throws(MQTTError) -> Delivery? {
        let bytes = payload.count
        guard !hasProfile, !payload.isStreamed, bytes <= Self.uncheckedPayload else { return nil }
        // Made outside of the lock.
        let record = DeliveryRecord(payload, to: topic, qos, retain: retain, isStored: !isDurable)
        let (acceptance, aftermath, wakes) = try core.state.withLock { state throws(MQTTError) in
            try check(topic, &state)
            return (state.submit(record, qos, queuedBytes: bytes, at: now), state.takeAftermath(), state.needsFlush())
        }
        finish(aftermath)
        if wakes { wake() }
        guard case .accepted(let serial) = acceptance else { return nil }
        return Delivery(storage: .accepted(core, serial, record))
    }

    /// Accepts or refuses, in call order.
    func submit(_ publication: Publication) throws(MQTTError) -> Delivery {
        // Made outside of the lock.
        let record = record(publication)
        let (answer, aftermath, wakes) = try core.state.withLock { state throws(MQTTError) in
            try check(publication, &state)
            return (submit(publication, record, &state), state.takeAftermath(), state.needsFlush())
        }
        finish(aftermath)
        if wakes { wake() }
        return try delivery(answer, publication.qos)
    }

    /// All or as many as are accepted before one is refused: then the error is thrown after those before it were accepted.
    func submit(contentsOf batch: some Collection<Publication>) throws(MQTTError) -> [Delivery] {
        for publication in batch { try check(publication) }
        let (answers, aftermath, wakes) = core.state.withLock { state -> ([(Answer, QoS)], Aftermath?, Bool) in
            var answers: [(Answer, QoS)] = []
            answers.reserveCapacity(batch.count)
            for publication in batch {
                let answer = submit(publication, record(publication), &state)
                answers.append((answer, publication.qos))
                guard case .delivery = answer else { break }
            }
            return (answers, state.takeAftermath(), state.needsFlush())
        }
        finish(aftermath)
        if wakes { wake() }
        var deliveries: [Delivery] = []
        deliveries.reserveCapacity(answers.count)
        for (answer, qos) in answers { deliveries.append(try delivery(answer, qos)) }
        return deliveries
    }

    /// What a publish that is accepted becomes. Of QoS 0 nothing is kept.
    private func record(_ publication: borrowing Publication) -> DeliveryRecord? {
        publication.qos == .atMostOnce ? nil : DeliveryRecord(publication, isStored: !isDurable)
    }

    private enum Answer {
        case delivery(Delivery)
        case refused(Refusal)
        /// In the outbound buffer.
        case noRoom
    }

    private func submit(_ publication: Publication, _ record: DeliveryRecord?, _ state: inout EngineState) -> Answer {
        guard let record else {
            guard hasRoom(state.outbound.bufferedBytes) else { return .noRoom }
            switch state.transmit(publication) {
            case .buffered(let link, let position): return .delivery(Delivery(storage: .buffered(core, link, position: position)))
            case .refused(let refusal): return .refused(refusal)
            }
        }
        let now = now
        var acceptance = state.submit(record, publication.qos, queuedBytes: publication.queuedBytes, at: now)
        if case .refused(.tooManyRequests) = acceptance {
            acceptance = state.makeRoom(for: publication, record, settings.whenQueueIsFull, at: now) ?? acceptance
        }
        switch acceptance {
        case .accepted(let serial): return .delivery(Delivery(storage: .accepted(core, serial, record)))
        case .refused(let refusal): return .refused(refusal)
        }
    }

    /// A payload up to this size fits in a packet, whatever the topic.
    private static var uncheckedPayload: Int { 1 << 20 }

    /// Of a payload that fits: when the topic is that of the publish before, nothing is left to be checked.
    private func check(_ topic: String, _ state: inout EngineState) throws(MQTTError) {
        if state.checkedTopic.is(topic) { return state.checkedTopic.repeats() }
        try Publication(.empty, to: topic).check()
        state.checkedTopic = CheckedTopic(topic)
    }

    /// Most publishes are of the same few topics, and small: of those nothing is left to be checked.
    private func check(_ publication: Publication, _ state: inout EngineState) throws(MQTTError) {
        if !hasProfile, publication.correlationKey == nil, !publication.payload.isStreamed,
            publication.payload.count <= Self.uncheckedPayload, state.checkedTopic.is(publication.topic)
        {
            return
        }
        try check(publication)
        if !state.checkedTopic.is(publication.topic) { state.checkedTopic = CheckedTopic(publication.topic) }
    }

    /// A durable session writes the payload to its store when it accepts it.
    private func check(_ publication: Publication) throws(MQTTError) {
        try publication.check()
        if hasProfile { try settings.profile.check(publication) }
        guard isDurable, publication.qos != .atMostOnce, publication.payload.isStreamed else { return }
        throw .denied("a durable session needs the payload in memory when it accepts it: use publish, which reads its source first")
    }

    /// Like `submit`, but waits for room in the outbound buffer, and for a connect attempt that is under way.
    /// With a durable session it returns when the publish is on disk.
    func publish(_ original: Publication) async throws(MQTTError) -> Delivery {
        let publication = try await collected(original)
        var wasEmpty = false
        while true {
            do throws(MQTTError) {
                let delivery = try submit(publication)
                if isDurable { try await untilStored(delivery) }
                return delivery
            } catch {
                switch error.code {
                case .tooManyRequests where publication.qos != .atMostOnce:
                    guard settings.whenQueueIsFull == .wait else { throw error }
                    if let queue = core.state.withLock({ $0.waitForQueue() }) {
                        try await waitForQueue(queue)
                        wasEmpty = false
                    } else if wasEmpty {
                        // It is too large for an empty queue.
                        throw error
                    } else {
                        wasEmpty = true
                    }
                case .tooManyRequests:
                    let wait = core.state.withLock { state in hasRoom(state.outbound.bufferedBytes) ? nil : state.waitForRoom() }
                    guard let room = wait else { continue }
                    try await waitToSend(room)
                case .down where settings.requestsWait:
                    // Until the attempt has succeeded or failed.
                    guard let attempt = core.state.withLock({ $0.waitForAttempt() }) else {
                        // It may have succeeded since.
                        if core.state.withLock({ if case .online = $0.session.phase { true } else { false } }) { continue }
                        throw error
                    }
                    try await waitToSend(attempt)
                default: throw error
                }
            }
        }
    }

    /// With its payload in memory, when a durable session is to write it down.
    private func collected(_ publication: Publication) async throws(MQTTError) -> Publication {
        guard isDurable, publication.qos != .atMostOnce, publication.payload.isStreamed else { return publication }
        try publication.check()
        var collected = publication
        collected.payload = Payload(try await publication.payload.collect(upTo: FixedHeader.maximumRemainingLength))
        return collected
    }

    private func untilStored(_ delivery: Delivery) async throws(MQTTError) {
        do throws(MQTTError) {
            try await delivery.stored()
        } catch where error.code == .canceled {
            throw MQTTError(.abandoned, .unknown, "canceled while the message was being stored: its delivery may go on")
        }
    }

    private func hasRoom(_ bufferedBytes: Int) -> Bool { bufferedBytes < settings.limits.outboundBytes }

    private func waitForQueue(_ wait: Eventual<Void>) async throws(MQTTError) {
        do throws(MQTTError) {
            try await core.answer(wait, fate: .notSent)
        } catch where error.code == .canceled {
            throw MQTTError(.canceled, .notSent, "canceled before anything was stored")
        }
    }

    private func waitToSend(_ wait: Eventual<Void>) async throws(MQTTError) {
        do throws(MQTTError) {
            try await wait.value()
        } catch {
            throw MQTTError(.canceled, .notSent, "canceled before anything was sent")
        }
    }

    private func delivery(_ answer: Answer, _ qos: QoS) throws(MQTTError) -> Delivery {
        switch answer {
        case .delivery(let delivery): return delivery
        case .noRoom: throw MQTTError(.tooManyRequests, .notSent, "limits.outboundBytes is used up")
        case .refused(.closed): throw .closed
        case .refused(.down): throw .down
        case .refused(.disabled): throw .denied("\(qos) is disabled: its limit is zero")
        case .refused(.tooManyRequests): throw MQTTError(.tooManyRequests, .notSent, "the queue limit of \(qos) is used up")
        case .refused(.notStored):
            let reason = core.state.withLock { $0.store?.failure?.message } ?? "the store cannot be written"
            throw MQTTError(.persistence, .notSent, reason)
        }
    }

    func withdraw(_ serial: Serial, _ record: DeliveryRecord) -> Bool {
        perform { $0.step(.withdraw(serial), at: now) }
        return record.hasEnded(with: .withdrawn)
    }

    func abandon(_ serial: Serial, _ record: DeliveryRecord) -> Bool {
        if withdraw(serial, record) { return true }
        let error = MQTTError(.abandoned, .unknown, "the publish was given up; whether the broker has it is unknown")
        perform { $0.fail(serial, error, at: now) }
        return record.hasEnded(with: .abandoned)
    }

    /// Ends a publish whose source cannot be read, on whatever connection it was tried.
    func payloadUnavailable(_ serial: Serial?, _ error: MQTTError) {
        guard let serial else { return }
        perform { $0.fail(serial, error, at: now) }
    }

    // MARK: Requests

    func submitSubscribe(
        _ wanted: [Subscription], _ origin: SubscribeOrigin
    ) throws(MQTTError) -> Request<[SubscriptionGrant]> {
        try settings.profile.check(filters: wanted.map(\.filter))
        let subscriptions = settings.profile.lowered(wanted)
        let packet = Subscribe(subscriptions)
        try packet.check()
        let eventual = Eventual<[SubscriptionGrant]>()
        func submit() -> Ticket {
            perform { state in
                state.request(.subscribe(packet, origin, eventual), at: now) { .subscribe($0, filters: subscriptions.count) }
            }
        }
        let ticket = if case .application = origin { router.asking(for: subscriptions, submit) } else { submit() }
        return Request(engine: self, ticket: ticket, eventual: eventual)
    }

    func submitUnsubscribe(_ filters: [String]) throws(MQTTError) -> Request<Void> {
        try settings.profile.check(filters: filters)
        let packet = Unsubscribe(filters)
        try packet.check()
        let eventual = Eventual<Void>()
        let ticket = perform { state in state.request(.unsubscribe(packet, eventual), at: now) { .unsubscribe($0) } }
        return Request(engine: self, ticket: ticket, eventual: eventual)
    }

    func submitPing() -> Request<Void> {
        let eventual = Eventual<Void>()
        let ticket = perform { state in state.request(.ping(eventual), at: now) { .ping($0) } }
        return Request(engine: self, ticket: ticket, eventual: eventual)
    }

    func cancel(_ ticket: Ticket) { perform { $0.step(.cancel(ticket), at: now) } }

    // MARK: Subscriptions

    /// Subscribes for a scope.
    ///
    /// A broker that knows the subscription already sends messages ahead of its answer. They may fill the scope's queue, and then the
    /// answer cannot be read before somebody asks for them: the scope begins without it, and ends with what the answer says.
    func subscribe(_ subscriptions: [Subscription], scope id: Int, _ queue: MessageQueue) async throws(MQTTError) {
        let task = currentTaskIdentity()
        queue.note(consumer: task)
        let request = try submitSubscribe(subscriptions, .scope(id))
        do throws(MQTTError) {
            _ = try await request.response
        } catch {
            guard error.code == .deliveryStalled, let task, consumers.isStalled(task, by: queue) else { throw error }
            Task {
                do throws(MQTTError) {
                    _ = try await request.eventual.value(onCancel: {})
                } catch {
                    // Nobody will ask for the messages of those filters that were granted.
                    if error.code == .subscribeFailed {
                        router.leave(id) { filters in if !filters.isEmpty { _ = try? submitUnsubscribe(filters) } }
                    }
                    queue.end(.failed(error))
                }
            }
        }
    }

    /// Keeps account of what the broker has granted, whoever waits for the answer.
    func noteSubscriptions(_ resolved: Aftermath.Resolved) {
        let (resolution, codes) = (resolved.resolution, resolved.codes)
        switch resolved.request {
        case .subscribe(let packet, let origin, _):
            router.answered(packet.subscriptions, origin, resolution == .answered ? codes : nil)
            if case .resubscription = origin { resubscribed(packet, resolution, codes) }
        case .unsubscribe(let packet, _):
            switch resolution {
            case .answered, .abandoned, .connectionLost, .done: router.unsubscribed(packet.filters)
            case .canceled, .closed, .down, .tooManyRequests: break  // it was not sent, so the subscription stays
            }
        case .ping, .leave: break
        }
    }

    /// Makes the subscriptions again that the broker has lost.
    func resubscribe() {
        let subscriptions = router.lostSubscriptions
        // A packet holds any number up to the limit; a hundred keep it small for every broker.
        let most = min(100, settings.profile.bounds.filtersPerRequest ?? 100)
        for start in stride(from: 0, to: subscriptions.count, by: most) {
            _ = try? submitSubscribe(Array(subscriptions[start..<min(start + most, subscriptions.count)]), .resubscription)
        }
    }

    private func resubscribed(_ packet: Subscribe, _ resolution: Resolution, _ codes: [UInt8]) {
        switch resolution {
        case .answered:
            guard case .failure(let error) = OpenRequest.granted(packet, codes) else { return }
            logger?.debug("resubscription refused", metadata: ["error": "\(error)"])
            router.refused(error)
        case .tooManyRequests:
            eventLoop.scheduleTask(in: .seconds(1)) { [weak self] in self?.resubscribe() }
        // The next connection does it again, unless it is over.
        case .closed, .down, .canceled, .abandoned, .connectionLost, .done: break
        }
    }
}

/// A request that was submitted, in call order with everything else.
public struct Request<Response: Sendable>: Sendable {
    let engine: Engine
    let ticket: Ticket
    let eventual: Eventual<Response>

    /// Waits for the broker's answer.
    ///
    /// Canceling the task ends the request: with ``MQTTError/Code/canceled`` when nothing was sent, with
    /// ``MQTTError/Code/abandoned`` when it was, and its outcome is unknown.
    public var response: Response {
        get async throws(MQTTError) {
            try await engine.core.answer(eventual, fate: .unknown) { [engine, ticket] in engine.cancel(ticket) }
        }
    }

    /// Ends the request when there is no answer by then, as if the task was canceled.
    func response(within timeout: Duration?) async throws(MQTTError) -> Response {
        guard let timeout else { return try await response }
        let timer = engine.eventLoop.scheduleTask(in: .nanoseconds(max(0, timeout.nanoseconds))) { [engine, ticket] in
            engine.cancel(ticket)
        }
        defer { timer.cancel() }
        return try await response
    }
}
