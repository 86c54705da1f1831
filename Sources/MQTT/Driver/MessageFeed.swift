package import NIOCore
internal import Synchronization

/// Sequences of messages without a connection behind them: what test doubles hand out. Scopes and acknowledgements are the
/// client's own, so that a test sees what the application would.
package final class MessageFeed: Sendable {
    private let router: Router
    private let releases: ReleaseBox
    private let end = Mutex<MessageQueue.End?>(nil)

    package init(eventLoop: any EventLoop) {
        let gate = ReadGate(eventLoop: eventLoop)
        releases = ReleaseBox(eventLoop: eventLoop)
        router = Router(limits: Limits(), gate: gate, releases: releases, consumers: ConsumerTable())
    }

    /// Calls `action` on the event loop when there are releases to take.
    package func onRelease(_ action: @escaping @Sendable () -> Void) { releases.onRelease(action) }

    /// The receipts of the messages that were acknowledged since the last call.
    package func takeReleases() -> [UInt64] { releases.takeAll() }

    /// What no scope claims.
    package var messages: Messages { Messages(queue: router.unclaimed) }

    /// - Parameter receipt: Names the message to ``takeReleases()``. Zero for QoS 0, which nobody acknowledges.
    package func send(_ message: Message, receipt: UInt64) { router.route([ReceivedRun([Received(message: message, receipt: receipt)])]) }

    /// Ends all sequences behind the messages that were sent, those to come included.
    package func finish(throwing error: MQTTError?) {
        let end = error.map { MessageQueue.End.failed($0) } ?? .finished
        self.end.withLock { $0 = $0 ?? end }
        router.end(end)
    }

    package func scope<Result>(
        _ subscriptions: [Subscription],
        subscribe: () async throws(MQTTError) -> Void,
        unsubscribe: ([String]) async -> Void,
        _ body: (Messages) async throws -> Result
    ) async throws -> Result {
        try await router.scope(
            subscriptions,
            subscribe: { _, _ throws(MQTTError) in try await subscribe() },
            unsubscribe: \.self,
            answer: { filters in if !filters.isEmpty { await unsubscribe(filters) } },
            { messages in
                if let end = end.withLock({ $0 }) { messages.queue.end(end) }
                return try await body(messages)
            })
    }
}
