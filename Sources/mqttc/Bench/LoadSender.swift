import Histogram
import MQTT
import NIOCore
import Synchronization

/// When each message is due. Without a rate, at once.
struct Pace: Sendable {
    private let start: UInt64
    private let interval: Double

    init(rate: Double?, clients: Int, start: UInt64) {
        self.start = start
        interval = rate.map { 1e9 * Double(clients) / $0 } ?? 0
    }

    /// Waits until the message with this index is due, and returns when that was: with a rate, latencies count from then, or a stall
    /// of the broker would hide itself by delaying the messages behind it.
    func wait(_ index: Int) async throws -> UInt64 {
        if interval == 0 { return Ticks.now }
        let due = start + UInt64(interval * Double(index))
        while true {
            let now = Ticks.now
            if now >= due { return due }
            // The system sleeps about as long as it is told: the last of it is waited out.
            if due - now > 500_000 { try await Task.sleep(nanoseconds: due - now - 300_000) } else { await Task.yield() }
        }
    }
}

/// When messages were sent, for whoever receives them in the same process: the newest of them, in a ring.
final class SendTimes: Sendable {
    private static let capacity = 1 << 16
    private let ring = Mutex([(number: Int, time: UInt64)](repeating: (-1, 0), count: capacity))

    func sent(_ number: Int, at time: UInt64) { ring.withLock { $0[number % Self.capacity] = (number, time) } }

    func time(of number: Int) -> UInt64? {
        let entry = ring.withLock { $0[number % Self.capacity] }
        return entry.number == number ? entry.time : nil
    }
}

/// Sends the numbered messages of one client.
struct LoadSender: Sendable {
    let client: MQTTClient
    let topic: String
    let qos: QoS
    let size: Int
    let numbers: Range<Int>
    let window: Int
    let pace: Pace
    let meter: BenchMeter
    var times: SendTimes?
    var gate: ArrivalGate?
    /// Whether the session has a store.
    var isStored = false

    /// At QoS 0 every 64th call is timed: the clock would cost as much as the call.
    private static let sampling = 64

    /// Returns when the last message is complete: at QoS 0 when a PINGRESP came behind it.
    func run() async throws {
        if qos == .atMostOnce { try await sendUnacknowledged() } else { try await sendAcknowledged() }
    }

    private func sendUnacknowledged() async throws {
        var payloads = StampedPayloads(size: size)
        var histogram = BenchMeter.emptyHistogram
        var uncounted = 0
        for number in numbers {
            let isTimed = number % Self.sampling == 0
            let begin = try await pace.wait(number - numbers.lowerBound)
            await gate?.pass(number)
            if isTimed { times?.sent(number, at: begin) }
            let payload = payloads.next(number)
            while true {
                do throws(MQTTError) {
                    _ = try await client.publish(payload, to: topic)
                    break
                } catch {
                    guard error.code == .down else { throw error }
                    try await client.waitUntilOnline()
                }
            }
            if isTimed { histogram.record(Ticks.now - begin) }
            uncounted += 1
            if uncounted == Self.sampling {
                meter.complete(uncounted)
                uncounted = 0
            }
        }
        try await client.ping()
        meter.complete(uncounted)
        if times == nil { meter.add(histogram) }
    }

    private func sendAcknowledged() async throws {
        if window == 1 { return try await sendOneByOne() }
        let queue = CompletionQueue()
        async let drained: Void = queue.drain(meter, counts: times == nil)
        defer { queue.finish() }
        var payloads = StampedPayloads(size: size)
        var unfinished = CircularBuffer<Delivery>()
        for number in numbers {
            let begin = try await pace.wait(number - numbers.lowerBound)
            await gate?.pass(number)
            if number % Self.sampling == 0 { times?.sent(number, at: begin) }
            let payload = payloads.next(number)
            guard isStored else {
                // The client's queue has the size of the window: it waits while that is full.
                queue.append(try await client.publish(payload, to: topic, qos), begin: begin)
                continue
            }
            // It would wait for the disk too, so that each message had a sync of its own: the window is kept here.
            if unfinished.count == window, let oldest = unfinished.popFirst() { _ = try await oldest.completed }
            let delivery = try client.submit(payload, to: topic, qos)
            unfinished.append(delivery)
            queue.append(delivery, begin: begin)
        }
        queue.finish()
        await drained
    }

    /// Without the queue, which would cost more than what is measured.
    private func sendOneByOne() async throws {
        var payloads = StampedPayloads(size: size)
        var histogram = BenchMeter.emptyHistogram
        for number in numbers {
            let begin = try await pace.wait(number - numbers.lowerBound)
            await gate?.pass(number)
            times?.sent(number, at: begin)
            let delivery = try await client.publish(payloads.next(number), to: topic, qos)
            _ = try await delivery.completed
            histogram.record(Ticks.now - begin)
            if times == nil { meter.complete() }
        }
        if times == nil { meter.add(histogram) }
    }
}
