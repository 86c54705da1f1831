import MQTT
import Synchronization

/// Subscribes, and prints what comes until it is enough.
final class Receiver: Sendable {
    struct Plan: Sendable {
        var subscriptions: [Subscription]
        var unsubscribed: [String]
        var filteredOut: [String]
        var count: Int?
        var endsSubscribed: Bool
        var skipsRetained: Bool
        var retainedOnly: Bool
        var removesRetained: Bool
        var percentage: Double
    }

    private let plan: Plan
    private let writer: MessageWriter
    private let filters: TopicTree
    private let denied = Atomic(false)

    private static let answerTimeout = Duration.seconds(30)

    init(plan: Plan, writer: MessageWriter) {
        self.plan = plan
        self.writer = writer
        var filters = TopicTree()
        for filter in plan.filteredOut { filters.insert(filter, 0) }
        self.filters = filters
    }

    /// Whether the broker denied a subscription.
    var isDenied: Bool { denied.load(ordering: .relaxed) }

    func run(_ client: MQTTClient) async throws {
        if plan.endsSubscribed || plan.subscriptions.isEmpty { return try await subscribe(client) }
        // Both at once: what a kept session has in store comes before the answer, and the answer comes only while messages are read.
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await self.subscribe(client)
                return false
            }
            group.addTask {
                try await self.receive(client)
                return true
            }
            for try await isEnd in group where isEnd { break }
            group.cancelAll()
        }
    }

    // MARK: Subscribing

    private func subscribe(_ client: MQTTClient) async throws {
        if !plan.subscriptions.isEmpty {
            do throws(MQTTError) {
                _ = try await client.subscribe(to: plan.subscriptions, timeout: Self.answerTimeout)
            } catch {
                guard error.code == .subscribeFailed else { throw error }
                let refused = error.grants.filter { $0.qos == nil }
                for grant in refused { Complaints.say("the broker denies the subscription to \(grant.filter)") }
                denied.store(true, ordering: .relaxed)
                if refused.count == plan.subscriptions.count { throw Running.Exit(status: ExitStatus.subscriptionDenied) }
            }
        }
        if !plan.unsubscribed.isEmpty { try await client.unsubscribe(from: plan.unsubscribed, timeout: Self.answerTimeout) }
    }

    // MARK: Receiving

    private enum Verdict {
        case print, skip, end
    }

    private func receive(_ client: MQTTClient) async throws {
        var writer = writer
        var remaining = plan.count ?? .max
        var removals: [Delivery] = []
        // Asking for the next message acknowledges the one before.
        var iterator = client.messages.makeAsyncIterator()
        while remaining > 0, let message = try await iterator.next() {
            if plan.removesRetained, message.retain, !isFilteredOut(message) {
                removals.append(try await client.clearRetained(message.topic))
            }
            switch verdict(message) {
            case .skip: continue
            case .end: remaining = 0
            case .print: if try await write(message, &writer) { remaining -= 1 }
            }
        }
        iterator.acknowledge()
        for removal in removals { _ = try await removal.completed }
    }

    private func verdict(_ message: Message) -> Verdict {
        if plan.retainedOnly, !message.retain { return .end }
        if plan.skipsRetained, message.retain { return .skip }
        if isFilteredOut(message) { return .skip }
        if plan.percentage < 100, Double.random(in: 0..<100) >= plan.percentage { return .skip }
        return .print
    }

    private func isFilteredOut(_ message: Message) -> Bool { !plan.filteredOut.isEmpty && !filters.matches(message.topic).isEmpty }

    /// False when the connection was lost within the payload: it was not received.
    private func write(_ message: Message, _ writer: inout MessageWriter) async throws -> Bool {
        let body: MessageBody?
        do {
            body = try await MessageBody(message.payload)
        } catch {
            Complaints.say("no room for a large payload: \(error.message)")
            throw Running.Exit(status: ExitStatus.store)
        }
        guard let body else {
            if message.qos == .atMostOnce { Complaints.say("the connection was lost within a message of QoS 0, which is lost") }
            return false
        }
        // Nobody reads any more: what was not written is not acknowledged.
        guard try await writer.write(message, body) else { throw Running.Exit(status: ExitStatus.failure) }
        return true
    }
}
