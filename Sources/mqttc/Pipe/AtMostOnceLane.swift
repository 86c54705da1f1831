import MQTT
import NIOCore
import Synchronization

/// Keeps the QoS 0 publishes of one client in line order when the outbound buffer is full.
///
/// While it has room they are submitted right away. The first one that finds it full opens the lane: it and all that follow are
/// published one after the other, each when there is room, and no other op waits for them.
final class AtMostOnceLane: Sendable {
    private struct Item {
        let arguments: PublishArguments
        let ticket: OpenReplies.Ticket
        /// Only for a publish with a timeout.
        let race: SubmissionRace?
    }

    private struct State {
        var queue = CircularBuffer<Item>()
        var isRunning = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let client: MQTTClient
    private let replies: OpenReplies
    private let state = Mutex(State())

    init(_ client: MQTTClient, _ replies: OpenReplies) {
        self.client = client
        self.replies = replies
    }

    /// Called for one op after the other, in line order.
    func publish(_ arguments: PublishArguments, _ ticket: OpenReplies.Ticket, timeout: Duration?) {
        if state.withLock({ $0.isRunning }) { return enqueue(arguments, ticket, timeout) }
        do {
            let delivery = try client.submit(arguments.payload(isStored: false), to: arguments.topic, .atMostOnce, retain: arguments.retain)
            if let timeout { replies.expire(ticket, after: timeout) { [replies] in replies.fail(ticket, .abandoned) } }
            complete(delivery, ticket)
        } catch  where error.code == .tooManyRequests {
            enqueue(arguments, ticket, timeout)
        } catch {
            replies.fail(ticket, PipeFailure(error))
        }
    }

    private func enqueue(_ arguments: PublishArguments, _ ticket: OpenReplies.Ticket, _ timeout: Duration?) {
        let race = timeout.map { startRace(ticket, $0) }
        let mustStart = state.withLock { state in
            state.queue.append(Item(arguments: arguments, ticket: ticket, race: race))
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if mustStart { Task { await run() } }
    }

    /// Returns when nothing waits for room any more.
    func drained() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if state.isRunning { state.waiters.append(continuation) }
                return !state.isRunning
            }
            if isIdle { continuation.resume() }
        }
    }

    private func run() async {
        while let item = next() {
            // A timeout that passed meanwhile has withdrawn the publish.
            if item.race?.begin() == false { continue }
            do {
                let delivery = try await publish(item)
                if item.race?.end() == true { replies.fail(item.ticket, .abandoned) }
                complete(delivery, item.ticket)
            } catch {
                replies.fail(item.ticket, PipeFailure(error))
            }
        }
    }

    private func next() -> Item? {
        let (item, waiters) = state.withLock { state -> (Item?, [CheckedContinuation<Void, Never>]) in
            if let item = state.queue.popFirst() { return (item, []) }
            state.isRunning = false
            let waiters = state.waiters
            state.waiters = []
            return (nil, waiters)
        }
        for waiter in waiters { waiter.resume() }
        return item
    }

    private func publish(_ item: Item) async throws(MQTTError) -> Delivery {
        let (client, arguments) = (client, item.arguments)
        guard let race = item.race else {
            return try await client.publish(arguments.payload(isStored: false), to: arguments.topic, .atMostOnce, retain: arguments.retain)
        }
        // The timeout must be able to cancel the wait for room, and the client decides which of the two came first.
        let task = Task { () -> Result<Delivery, MQTTError> in
            do throws(MQTTError) {
                let payload = arguments.payload(isStored: false)
                return .success(try await client.publish(payload, to: arguments.topic, .atMostOnce, retain: arguments.retain))
            } catch {
                return .failure(error)
            }
        }
        race.attach { task.cancel() }
        return try await task.value.get()
    }

    private func complete(_ delivery: Delivery, _ ticket: OpenReplies.Ticket) {
        Task { [replies] in
            do throws(MQTTError) {
                _ = try await delivery.completed
                replies.succeed(ticket)
            } catch {
                replies.fail(ticket, PipeFailure(error))
            }
        }
    }

    private func startRace(_ ticket: OpenReplies.Ticket, _ timeout: Duration) -> SubmissionRace {
        let race = SubmissionRace()
        replies.expire(ticket, after: timeout) { [replies] in
            switch race.expire() {
            case .canceled: replies.fail(ticket, .canceled)
            case .abandoned: replies.fail(ticket, .abandoned)
            case .undecided: break
            }
        }
        return race
    }
}
