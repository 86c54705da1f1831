/// A subscription for as long as a closure runs: the same for a client and for the test doubles.
extension Router {
    func scope<Result>(
        _ subscriptions: [Subscription],
        subscribe: () async throws(MQTTError) -> Void,
        unsubscribe: ([String]) async -> Void,
        _ body: (Messages) async throws -> Result
    ) async throws -> Result {
        try Subscribe(subscriptions).check()
        // The queue is there before the packet goes out: retained messages may come ahead of the answer.
        let (id, queue) = open(subscriptions)
        do {
            try await subscribe()
            let result = try await body(Messages(queue: queue))
            queue.leave(normally: true)
            let orphans = close(id)
            if !orphans.isEmpty { await unsubscribe(orphans) }
            return result
        } catch {
            _ = close(id)
            queue.leave(normally: false)
            throw error
        }
    }
}
