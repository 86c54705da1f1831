import MQTT
import Synchronization

/// One client of `pipe`: from its `connect` until `disconnect`, `close` or the end of the input.
final class PipeClient: Sendable {
    private enum Phase {
        /// Takes ops. Goes to `ending` by `disconnect` or `close`, to `ended` when the client gives up.
        case open
        /// Its end was asked for: no more ops, no more events. Goes to `ended`.
        case ending
        case ended
    }

    private let client: MQTTClient
    private let arguments: ConnectArguments
    private let output: LineWriter
    private let replies: OpenReplies
    private let lane: AtMostOnceLane
    private let pull: PullOps?
    private let phase = Mutex(Phase.open)
    /// Called before the reply that tells the end, so that a `connect` after that reply finds the place free.
    private let onEnd: @Sendable (PipeClient) -> Void

    /// Nothing is sent yet.
    init(_ arguments: ConnectArguments, _ output: LineWriter, onEnd: @escaping @Sendable (PipeClient) -> Void) throws(PipeFailure) {
        do {
            client = try MQTTClient(arguments.configuration)
        } catch {
            throw PipeFailure(error)
        }
        self.arguments = arguments
        self.output = output
        self.onEnd = onEnd
        replies = OpenReplies(output)
        lane = AtMostOnceLane(client, replies)
        pull = arguments.receive == .pull ? PullOps(client.messages, replies, output) : nil
    }

    // MARK: - Life

    func start(_ id: Int64) {
        let ticket = replies.open(id)
        for damage in client.storeDamage { report(Reply.warning(damage.description)) }
        // Before the client runs: the sequence then misses nothing.
        let states = client.connectionStates
        let run = Task { [client] () -> MQTTError? in
            do throws(MQTTError) {
                try await client.run()
                return nil
            } catch {
                return error
            }
        }
        Task {
            await follow(states, ticket)
            end(await run.value, ticket)
        }
        if arguments.receive == .auto {
            let events = AutoReceiver(client.messages, output) { [weak self] in self?.isOpen ?? false }
            Task { await events.run() }
        }
    }

    private var isOpen: Bool {
        phase.withLock { $0 == .open }
    }

    private func follow(_ states: ConnectionStates, _ ticket: OpenReplies.Ticket) async {
        for await state in states {
            switch state {
            case .online(let online):
                report(Reply.online(online))
                replies.succeed(ticket) { $0.add("sessionPresent", online.sessionPresent) }
            case .offline(let error): report(Reply.offline(error))
            case .attemptFailed: break
            case .closed: return
            }
        }
    }

    /// No event follows the reply to `disconnect` or `close`.
    private func report(_ line: [UInt8]) {
        phase.withLock { phase in
            if phase == .open { output.write(line) }
        }
    }

    private func end(_ error: MQTTError?, _ connect: OpenReplies.Ticket? = nil) {
        let isFirst = phase.withLock { phase in
            defer { phase = .ended }
            return phase != .ended
        }
        guard isFirst else { return }
        onEnd(self)
        if let connect, let error { replies.fail(connect, PipeFailure(connecting: error)) }
        replies.close()
    }

    /// True once: from then on the client takes no ops.
    private func beginEnding() -> Bool {
        phase.withLock { phase in
            guard phase == .open else { return false }
            phase = .ending
            return true
        }
    }

    func disconnect(_ id: Int64) {
        guard beginEnding() else { return output.write(Reply.failure(id, .closed)) }
        Task {
            await lane.drained()
            var failure: PipeFailure?
            do throws(MQTTError) {
                try await client.disconnect()
            } catch {
                failure = PipeFailure(error)
            }
            end(nil)
            output.write(failure.map { Reply.failure(id, $0) } ?? Reply.success(id))
        }
    }

    func close() async {
        _ = beginEnding()
        await client.close()
        end(nil)
    }
}

// MARK: - Ops

extension PipeClient {
    /// Starts the op, in line order, and returns at once.
    func perform(_ op: Op) {
        guard isOpen else { return output.write(Reply.failure(op.id, .closed)) }
        if op.isExpired, case .next = op.kind {} else if op.isExpired { return output.write(Reply.failure(op.id, .canceled)) }
        switch op.kind {
        case .connect: output.write(Reply.failure(op.id, .denied("there is a client already")))
        case .publish(let arguments): publish(op, arguments)
        case .subscribe(let subscriptions): subscribe(op, subscriptions)
        case .unsubscribe(let filters): unsubscribe(op, filters)
        case .ping: ping(op)
        case .next: next(op)
        case .disconnect: disconnect(op.id)
        case .close: Task { await closeAndReply(op.id) }
        }
    }

    func closeAndReply(_ id: Int64) async {
        await close()
        output.write(Reply.success(id))
    }

    private func publish(_ op: Op, _ arguments: PublishArguments) {
        let ticket = replies.open(op.id)
        if arguments.qos == .atMostOnce { return lane.publish(arguments, ticket, timeout: op.timeout) }
        let isStored = self.arguments.isDurable
        let delivery: Delivery
        do {
            let payload = arguments.payload(isStored: isStored)
            delivery = try client.submit(payload, to: arguments.topic, arguments.qos, retain: arguments.retain)
        } catch {
            return replies.fail(ticket, PipeFailure(error))
        }
        if let timeout = op.timeout {
            // The store has it: the delivery goes on.
            replies.expire(ticket, after: timeout) { [replies] in replies.fail(ticket, .abandoned) }
        }
        if !isStored { replies.event("accepted", ticket) }
        Task { [replies] in
            do throws(MQTTError) {
                if isStored {
                    try await delivery.stored()
                    replies.event("accepted", ticket)
                }
                _ = try await delivery.completed
                replies.succeed(ticket)
            } catch {
                replies.fail(ticket, PipeFailure(error))
            }
        }
    }

    private func subscribe(_ op: Op, _ subscriptions: [Subscription]) {
        request(op) { client throws(MQTTError) in
            try client.submitSubscribe(to: subscriptions)
        } fill: { line, grants in
            line.add("granted", grants.map { Int($0.reasonCode.rawValue) })
        }
    }

    private func unsubscribe(_ op: Op, _ filters: [String]) {
        request(op) { client throws(MQTTError) in
            try client.submitUnsubscribe(from: filters)
        } fill: { _, _ in
        }
    }

    private func ping(_ op: Op) {
        request(op) { client throws(MQTTError) in
            client.submitPing()
        } fill: { _, _ in
        }
    }

    /// Submits now, so that the order of the lines is the order on the wire, and answers when the broker has.
    private func request<Response: Sendable>(
        _ op: Op, _ submit: (MQTTClient) throws(MQTTError) -> Request<Response>,
        fill: @escaping @Sendable (inout JSONLine, Response) -> Void
    ) {
        let ticket = replies.open(op.id)
        let request: Request<Response>
        do {
            request = try submit(client)
        } catch {
            return replies.fail(ticket, PipeFailure(error))
        }
        let task = Task { [replies] in
            do throws(MQTTError) {
                let response = try await request.response
                replies.succeed(ticket) { fill(&$0, response) }
            } catch {
                replies.fail(ticket, PipeFailure(error))
            }
        }
        // The client knows whether it was sent: it says canceled or abandoned.
        if let timeout = op.timeout { replies.expire(ticket, after: timeout) { task.cancel() } }
    }

    private func next(_ op: Op) {
        guard let pull else { return output.write(Reply.failure(op.id, .denied("next is for receive pull"))) }
        pull.next(op)
    }
}
