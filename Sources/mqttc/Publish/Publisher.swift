import MQTT
import NIOCore

/// Streams messages to one topic, with a window of unfinished ones: no round trip for each, and no unbounded memory.
struct Publisher {
    static let window = 1_000
    /// Messages of QoS 2 on the wire at a time, as everywhere in the library: brokers as they come end connections with more.
    static let exactlyOnceWindow = Limits().exactlyOnceInFlight

    private let client: MQTTClient
    private let topic: String
    private let qos: QoS
    private let retain: Bool
    private let progress: PublishProgress
    private var unfinished = CircularBuffer<Delivery>(initialCapacity: window)
    /// Messages of QoS 0 that were under way when the connection was lost.
    private var lost = 0

    init(_ client: MQTTClient, topic: String, qos: QoS, retain: Bool, progress: PublishProgress) {
        self.client = client
        self.topic = topic
        self.qos = qos
        self.retain = retain
        self.progress = progress
    }

    mutating func publish(_ payload: Payload) async throws {
        // In order, so the oldest is the next to be complete.
        if unfinished.count == Self.window, let oldest = unfinished.popFirst() { try await complete(oldest) }
        while true {
            do throws(MQTTError) {
                unfinished.append(try await client.publish(payload, to: topic, qos, retain: retain))
                return progress.accepted(payload.count)
            } catch {
                guard error.code == .down else { throw error }
                // QoS 0 without a connection: nothing was sent, and the next connection will do.
                try await client.waitUntilOnline()
            }
        }
    }

    mutating func publish(_ payload: Payload, count: Int, delay: Duration) async throws {
        for number in 0..<count {
            if number > 0, delay > .zero {
                try await settle()
                try await Task.sleep(for: delay)
            }
            try await publish(payload)
        }
    }

    /// Each line of standard input without its end. A last line needs no end.
    mutating func publishLines() async throws {
        var lines = InputLines()
        do {
            while let batch = try await lines.next() {
                for line in batch { try await publish(Payload(bytes: line)) }
            }
        } catch let exit as Running.Exit {
            // What came before it is under way.
            try await settle()
            throw exit
        }
    }

    /// Returns when every message is complete.
    mutating func finish() async throws {
        try await settle()
        guard lost > 0 else { return }
        Complaints.say("the connection was lost while \(lost) messages of QoS 0 were under way: they may be lost")
        throw Running.Exit(status: ExitStatus.unavailable)
    }

    private mutating func settle() async throws {
        while let oldest = unfinished.popFirst() { try await complete(oldest) }
    }

    private mutating func complete(_ delivery: Delivery) async throws {
        switch await Self.end(of: delivery) {
        case .success(let outcome):
            progress.completed()
            guard outcome.reasonCode.isFailure else { return }
            Complaints.say("the broker rejects the message (reason code \(outcome.reasonCode))")
            throw Running.Exit(status: ExitStatus.publishRejected)
        case .failure(let error):
            guard error.code == .submissionInterrupted, qos == .atMostOnce else { throw error }
            lost += 1
        }
    }

    private static func end(of delivery: Delivery) async -> Result<Delivery.Outcome, MQTTError> {
        do throws(MQTTError) {
            return .success(try await delivery.completed)
        } catch {
            return .failure(error)
        }
    }
}
