/// A subscription for as long as a closure runs: the same for a client and for the test doubles.
extension Router {
    /// - Parameters:
    ///   - subscribe: Gets the number of the scope, and its queue.
    ///   - unsubscribe: Submits what is to be unsubscribed, while no other scope can subscribe to the same.
    ///   - answer: Waits for what `unsubscribe` has submitted.
    func scope<Result, Submitted>(
        _ subscriptions: [Subscription],
        subscribe: (Int, MessageQueue) async throws(MQTTError) -> Void,
        unsubscribe: ([String]) -> Submitted,
        answer: (Submitted) async -> Void,
        _ body: (Messages) async throws -> Result
    ) async throws -> Result {
        try Subscribe(subscriptions).check()
        // The queue is there before the packet goes out: retained messages may come ahead of the answer.
        let (id, queue) = open(subscriptions)
        do {
            do throws(MQTTError) {
                try await subscribe(id, queue)
            } catch {
                // Nobody will ask for the messages of those filters that were granted.
                if error.code == .subscribeFailed { await answer(leave(id, unsubscribe: unsubscribe)) }
                throw error
            }
            let result = try await body(Messages(queue: queue))
            // Until the broker knows, what it still sends is dropped with the rest of the queue. When there is no connection to
            // tell it, it goes on sending: the concern of `Configuration.unclaimed`.
            queue.leave(normally: true)
            await answer(leave(id, unsubscribe: unsubscribe))
            close(id)
            return result
        } catch {
            close(id)
            queue.leave(normally: false)
            throw error
        }
    }
}
