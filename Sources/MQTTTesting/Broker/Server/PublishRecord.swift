/// What the broker received, and who waits for more of it. Confined to the broker's event loop.
final class PublishRecord {
    /// Payload bytes that are kept.
    private static let bytesLimit = 64 << 20

    private let limit: Int
    /// Received since the start.
    private(set) var count = 0
    private var bytes = 0
    private var log = BrokerBacklog<ReceivedPublish>()
    private var streams: [Int: AsyncStream<ReceivedPublish>.Continuation] = [:]
    private var waiters: [Int: Waiter] = [:]
    private var lastNumber = 0

    private struct Waiter {
        let condition: @Sendable (TestBroker.Snapshot) -> Bool
        let continuation: CheckedContinuation<Void, any Error>
    }

    init(limit: Int) { self.limit = limit }

    /// The latest, oldest first.
    var kept: [ReceivedPublish] { log.positions.compactMap { log[$0] } }

    var hasWaiters: Bool { !waiters.isEmpty }

    func append(_ publish: ReceivedPublish) {
        count += 1
        log.append(publish)
        bytes += publish.payload.count
        // The latest stays whatever its size.
        while log.count > limit || (bytes > Self.bytesLimit && log.count > 1), let oldest = log.popFirst() {
            bytes -= oldest.payload.count
        }
        for continuation in streams.values { continuation.yield(publish) }
    }

    func addStream(_ continuation: AsyncStream<ReceivedPublish>.Continuation) -> Int {
        lastNumber += 1
        streams[lastNumber] = continuation
        return lastNumber
    }

    func removeStream(_ number: Int) { streams[number] = nil }

    func wait(
        _ number: Int, until condition: @escaping @Sendable (TestBroker.Snapshot) -> Bool,
        _ continuation: CheckedContinuation<Void, any Error>
    ) {
        waiters[number] = Waiter(condition: condition, continuation: continuation)
    }

    func cancelWait(_ number: Int) {
        waiters.removeValue(forKey: number)?.continuation.resume(throwing: CancellationError())
    }

    func wake(_ snapshot: TestBroker.Snapshot) {
        for (number, waiter) in waiters where waiter.condition(snapshot) {
            waiters[number] = nil
            waiter.continuation.resume()
        }
    }

    /// The broker stopped: nothing more will come.
    func finish() {
        for continuation in streams.values { continuation.finish() }
        for number in waiters.keys { cancelWait(number) }
    }
}
