import MQTT
import NIOCore
import Synchronization

/// Takes messages into the outbox. A window of them is on its way to the disk at a time, so that they share its syncs; each counts as
/// accepted when it is there.
final class OutboxIntake: Sendable {
    private struct State {
        /// Handed over and not known to be on disk, in order.
        var unwritten = CircularBuffer<(delivery: Delivery, bytes: Int)>()
        var count = 0
        var bytes = 0
        /// Why the first that is not on disk is not.
        var failure: MQTTError?
        var isFinished = false
        /// Waits for the next one, or for the end.
        var settler: CheckedContinuation<Void, Never>?
        /// Waits for room.
        var taker: CheckedContinuation<Void, Never>?

        func hasRoom(for payload: Int) -> Bool {
            count == 0 || failure != nil || count < OutboxIntake.window && bytes + payload <= OutboxIntake.windowBytes
        }

        mutating func takeSettler() -> CheckedContinuation<Void, Never>? {
            defer { settler = nil }
            return settler
        }

        mutating func takeTaker() -> CheckedContinuation<Void, Never>? {
            defer { taker = nil }
            return taker
        }
    }

    private static let window = 1_000
    private static let windowBytes = 16 << 20

    private let client: MQTTClient
    private let topic: String
    private let qos: QoS
    private let retain: Bool
    private let progress: PublishProgress
    private let state = Mutex(State())

    init(_ client: MQTTClient, topic: String, qos: QoS, retain: Bool, progress: PublishProgress) {
        self.client = client
        self.topic = topic
        self.qos = qos
        self.retain = retain
        self.progress = progress
    }

    /// Takes what `body` hands over. Returns when all of it is on disk.
    ///
    /// - Throws: What kept the first message that is not on disk from getting there, at once, or what `body` throws.
    func run(_ body: @escaping @Sendable (OutboxIntake) async throws -> Void) async throws {
        // Not a task group: it would wait for a body that is blocked in reading a terminal.
        let taking = Task {
            defer { finish() }
            try await body(self)
        }
        await settle()
        if let failure = state.withLock({ $0.failure }) { throw failure }
        try await taking.value
    }

    private func finish() {
        let settler = state.withLock { state in
            state.isFinished = true
            return state.takeSettler()
        }
        settler?.resume()
    }

    /// Hands a message over, as soon as there is room in the window.
    func take(_ payload: Payload) async throws(MQTTError) {
        await room(for: payload.count)
        if let failure = state.withLock({ $0.failure }) { throw failure }
        // What is not in memory has to be read, which only `publish` does.
        let delivery =
            payload.isStreamed
            ? try await client.publish(payload, to: topic, qos, retain: retain)
            : try client.submit(payload, to: topic, qos, retain: retain)
        progress.handedOver()
        let settler = state.withLock { state in
            state.unwritten.append((delivery, payload.count))
            state.count += 1
            state.bytes += payload.count
            return state.takeSettler()
        }
        settler?.resume()
    }

    private func room(for bytes: Int) async {
        while !state.withLock({ $0.hasRoom(for: bytes) }) {
            await withCheckedContinuation { continuation in
                let hasRoom = state.withLock { state in
                    if state.hasRoom(for: bytes) { return true }
                    state.taker = continuation
                    return false
                }
                if hasRoom { continuation.resume() }
            }
        }
    }

    // MARK: Counting

    /// Counts what is on disk, in order, until the first that is not, or until nothing follows.
    private func settle() async {
        while let next = await oldest() {
            do throws(MQTTError) {
                try await next.delivery.stored()
                progress.accepted(next.bytes)
                settled(next.bytes, nil)
            } catch {
                return settled(next.bytes, error)
            }
        }
    }

    private func oldest() async -> (delivery: Delivery, bytes: Int)? {
        while true {
            let (next, isFinished) = state.withLock { ($0.unwritten.popFirst(), $0.isFinished) }
            if let next { return next }
            if isFinished { return nil }
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.isFinished || !state.unwritten.isEmpty { return true }
                    state.settler = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        }
    }

    private func settled(_ bytes: Int, _ failure: MQTTError?) {
        let taker = state.withLock { state in
            state.count -= 1
            state.bytes -= bytes
            state.failure = failure
            return state.takeTaker()
        }
        // It looks again whether the room is enough.
        taker?.resume()
    }
}
