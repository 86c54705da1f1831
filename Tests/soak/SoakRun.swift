import MQTT
import MQTTCore
import NIOCore
import NIOPosix
import Synchronization

/// A publisher and a subscriber, each behind the proxy, and faults until the time is over. Then everything has to come to its end.
final class SoakRun: Sendable {
    struct Settings: Sendable {
        var brokerPort: Int
        var duration: Duration
        var faultInterval: Duration
        /// Messages a second, of each level.
        var rate: Int
        var seed: UInt64
        /// Who is behind the proxy; the other one has the broker's own port.
        var faulty: Set<Role>
    }

    enum Role: String, CaseIterable, Sendable {
        case publisher
        case subscriber
    }

    struct Progress: Sendable {
        var ledgers: [SoakLedger]
        var reconnects = 0
        var faults: [Fault: Int] = [:]
        var isOnline: [String: Bool] = [:]
        /// Sessions that the broker had lost when a client came back. It keeps its state, so there are none.
        var lostSessions = 0
    }

    let settings: Settings
    let progress: Mutex<Progress>
    private let proxy: FaultProxy

    init(_ settings: Settings) async throws {
        self.settings = settings
        let expected = settings.rate * Int(settings.duration.components.seconds) * 2
        progress = Mutex(
            Progress(ledgers: [SoakLedger(.atLeastOnce, expected: expected), SoakLedger(.exactlyOnce, expected: expected)]))
        proxy = try await FaultProxy(target: settings.brokerPort, on: MultiThreadedEventLoopGroup.singleton.next())
    }

    /// Returns when everything accepted has come to its end, or nothing has moved for a minute.
    func run() async throws {
        let publisher = try client(.publisher)
        let subscriber = try client(.subscriber)
        try await subscriber.run { subscriber in
            let filters = self.progress.withLock { $0.ledgers.map { Subscription($0.topic, atMost: $0.qos) } }
            _ = try await subscriber.subscribe(to: filters, timeout: .seconds(10))
            try await withThrowingTaskGroup { group in
                group.addTask { await self.watch(publisher, "publisher") }
                group.addTask { await self.watch(subscriber, "subscriber") }
                group.addTask { try await self.receive(subscriber) }
                try await publisher.run { publisher in try await self.publishWithFaults(publisher) }
                try await self.untilSettled()
                group.cancelAll()
            }
        }
        try await proxy.stop()
    }

    private func client(_ role: Role) throws(MQTTError) -> MQTTClient {
        let port = settings.faulty.contains(role) ? proxy.port : settings.brokerPort
        var configuration = Configuration(
            broker: .tcp(host: "127.0.0.1", port: port), session: .volatile(id: "soak-\(role.rawValue)"))
        configuration.reconnect.minimum = .milliseconds(10)
        configuration.reconnect.maximum = .milliseconds(500)
        configuration.reconnect.stableTime = .milliseconds(100)
        // Half-open connections and black holes are to be noticed within the time between two faults.
        configuration.keepAlive = .seconds(1)
        configuration.pauseTimeout = .seconds(1)
        configuration.connectTimeout = .seconds(2)
        configuration.whenQueueIsFull = .wait
        configuration.limits.atLeastOnce = 2_000
        configuration.limits.exactlyOnce = 2_000
        return try MQTTClient(configuration)
    }

    // MARK: Publishing

    private func publishWithFaults(_ publisher: MQTTClient) async throws {
        try await withThrowingTaskGroup { group in
            for index in 0..<2 { group.addTask { try await self.publish(publisher, index) } }
            try await self.injectFaults()
            group.cancelAll()
            try await proxy.heal()
        }
        try await untilCompleted()
    }

    /// At the given rate while that goes; as soon as there is room again when it did not.
    private func publish(_ publisher: MQTTClient, _ index: Int) async throws {
        let (topic, qos) = progress.withLock { ($0.ledgers[index].topic, $0.ledgers[index].qos) }
        var number = 0
        while !Task.isCancelled {
            for _ in 0..<max(1, settings.rate / 100) {
                guard let delivery = try await submit(number, publisher, topic, qos) else { return }
                progress.withLock { $0.ledgers[index].accept() }
                number += 1
                Task { await self.complete(delivery, index) }
            }
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Waits while the queue is full. Nil when the time is over.
    private func submit(_ number: Int, _ publisher: MQTTClient, _ topic: String, _ qos: QoS) async throws(MQTTError) -> Delivery? {
        do throws(MQTTError) {
            return try await publisher.publish(SoakLedger.payload(number), to: topic, qos)
        } catch {
            if error.code == .canceled { return nil }
            throw error
        }
    }

    private func complete(_ delivery: Delivery, _ index: Int) async {
        do throws(MQTTError) {
            _ = try await delivery.completed
            progress.withLock { $0.ledgers[index].complete(nil) }
        } catch {
            progress.withLock { $0.ledgers[index].complete(error) }
        }
    }

    private func injectFaults() async throws {
        var random = SplitMix(state: settings.seed)
        let end = ContinuousClock.now + settings.duration
        while ContinuousClock.now < end {
            try await Task.sleep(for: settings.faultInterval / 2 + settings.faultInterval * Double.random(in: 0..<1, using: &random) / 2)
            guard let fault = Fault.allCases.randomElement(using: &random) else { return }
            let duration = Duration.milliseconds(Int.random(in: 10...1_500, using: &random))
            _ = try await proxy.inject(fault, for: duration, bytes: Int.random(in: 0...20_000, using: &random))
            progress.withLock { $0.faults[fault, default: 0] += 1 }
        }
    }

    // MARK: Receiving

    private func receive(_ subscriber: MQTTClient) async throws {
        for try await message in subscriber.messages {
            let payload = try await message.payload.collect(upTo: 1 << 20)
            progress.withLock { progress in
                for index in progress.ledgers.indices where progress.ledgers[index].topic == message.topic {
                    progress.ledgers[index].receive(payload)
                }
            }
        }
    }

    private func watch(_ client: MQTTClient, _ name: String) async {
        var connections = 0
        for await state in client.connectionStates {
            progress.withLock { progress in
                progress.isOnline[name] = false
                guard case .online(let online) = state else { return }
                progress.isOnline[name] = true
                connections += 1
                if connections > 1 {
                    progress.reconnects += 1
                    if !online.sessionPresent { progress.lostSessions += 1 }
                }
            }
        }
    }

    // MARK: The end

    private func untilCompleted() async throws {
        try await untilStill { $0.ledgers.allSatisfy { $0.completed + $0.failed.count == $0.accepted } }
    }

    private func untilSettled() async throws {
        try await untilStill { $0.ledgers.allSatisfy { $0.delivered >= $0.accepted } }
        // What comes twice may come late.
        try await Task.sleep(for: .seconds(3))
    }

    private func untilStill(_ isDone: (Progress) -> Bool) async throws {
        var last = 0
        var still = 0
        while still < 600 {
            let (done, sum) = progress.withLock { progress in
                (isDone(progress), progress.ledgers.reduce(0) { $0 + $1.completed + $1.delivered + $1.doubled })
            }
            if done { return }
            still = sum == last ? still + 1 : 0
            last = sum
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}

/// The same faults for the same seed. When they strike depends on the machine.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
