import Histogram
import MQTT
import NIOCore
import Synchronization

/// Receives the messages of one client, and keeps account of them.
final class LoadReceiver: Sendable {
    struct Result: Sendable {
        var received = 0
        var ledger = ArrivalLedger()
        var first: UInt64?
        var last: UInt64?

        var duplicated: Int { ledger.duplicated }

        /// Of a known number, or of those between the first and the last that came.
        func lost(of count: Int?) -> Int {
            guard let count else { return ledger.gaps }
            return max(count - (ledger.distinct > 0 ? ledger.distinct : received), 0)
        }
    }

    private let client: MQTTClient
    private let count: Int
    private let meter: BenchMeter
    private let times: SendTimes?
    /// All messages are numbered: then it is enough when each has come once.
    private let isNumbered: Bool
    private let gate: ArrivalGate?
    private let index: Int
    private let outcome = Mutex(Result())

    /// The clock is read, and others are told, once in so many messages.
    private let batch: Int

    init(client: MQTTClient, index: Int, count: Int, meter: BenchMeter, times: SendTimes?, isNumbered: Bool, gate: ArrivalGate?) {
        self.gate = gate
        self.index = index
        batch = gate?.batch ?? 64
        self.client = client
        self.count = count
        self.meter = meter
        self.times = times
        self.isNumbered = isNumbered
    }

    /// What has come, complete when ``run()`` has returned.
    var result: Result { outcome.withLock { $0 } }

    /// Returns when everything has come, or when it is canceled.
    func run() async throws {
        var result = Result()
        var histogram = BenchMeter.emptyHistogram
        var uncounted = 0
        defer {
            if result.received > 0, result.last == nil { result.last = Ticks.now }
            outcome.withLock { $0 = result }
            meter.complete(uncounted)
            gate?.arrived(uncounted, at: index)
            meter.add(histogram)
        }
        var iterator = client.messages.makeAsyncIterator()
        do throws(MQTTError) {
            while (isNumbered ? result.ledger.distinct : result.received) < count, let message = try await iterator.next() {
                if result.first == nil { result.first = Ticks.now }
                result.received += 1
                let number = try await Self.number(of: message)
                if let number {
                    result.ledger.arrive(number)
                    if let sent = times?.time(of: number) { histogram.record(Ticks.now - sent) }
                }
                uncounted += 1
                guard uncounted == batch else { continue }
                meter.complete(uncounted)
                gate?.arrived(uncounted, at: index)
                uncounted = 0
                result.last = Ticks.now
            }
            result.last = Ticks.now
            iterator.acknowledge()
        } catch {
            // It took too long: what has come until then counts.
            guard error.code == .canceled else { throw error }
        }
    }

    private static func number(of message: Message) async throws(MQTTError) -> Int? {
        if let buffer = message.payload.buffer { return StampedPayloads.number(of: buffer) }
        var number: Int?
        var isFirst = true
        for try await chunk in message.payload.chunks {
            if isFirst { number = StampedPayloads.number(of: chunk) }
            isFirst = false
        }
        return number
    }
}

/// Receivers, and the sender of what they receive if there is one.
struct LoadExchange: Sendable {
    let receivers: [LoadReceiver]
    let sender: LoadSender?
    let meter: BenchMeter
    let gate: ArrivalGate?

    /// After the last message was sent, so long without another that came is the end: the rest is lost.
    private static let patience = Duration.seconds(3)

    private enum Part {
        case sent, received, stalled, watched
    }

    func run() async throws -> [LoadReceiver.Result] {
        try await withThrowingTaskGroup(of: Part.self) { group in
            for receiver in receivers {
                group.addTask {
                    try await receiver.run()
                    return .received
                }
            }
            if let sender {
                group.addTask {
                    try await sender.run()
                    return .sent
                }
            }
            if gate != nil { group.addTask { await openStalledGate() } }
            var open = receivers.count
            while open > 0, let part = try await group.next() {
                switch part {
                case .received: open -= 1
                case .stalled: group.cancelAll()
                case .sent: group.addTask { await watch() }
                case .watched: break
                }
            }
            // A sender that still waits for acknowledgements of what has arrived.
            if open == 0 { group.cancelAll() }
        }
        return receivers.map(\.result)
    }

    /// A message that the broker dropped must not hold up the sender for ever.
    private func openStalledGate() async -> Part {
        var before = -1
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            if meter.completed == before { gate?.giveUp() }
            before = meter.completed
        }
        return .watched
    }

    private func watch() async -> Part {
        var before = -1
        while meter.completed != before {
            before = meter.completed
            guard (try? await Task.sleep(for: Self.patience)) != nil else { break }
        }
        return .stalled
    }
}
