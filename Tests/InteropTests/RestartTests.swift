// The broker goes and comes back in the middle of streams.
import MQTT
import Synchronization
import Testing

@Suite("Streams outlive Mosquitto", .mosquittoIsInstalled, .serialized, .timeLimit(.minutes(5)))
struct RestartTests {
    /// Arrivals between one restart and the next.
    private static let arrivalsBetween = 500

    @Test("Ten clean restarts with persistence lose nothing, and at QoS 2 double nothing", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func restarts(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started(Mosquitto.Settings(moreLines: ["log_type all"]))
        try await mosquitto.withClient("subscriber") { subscriber in
            try await subscriber.subscribe(to: [Subscription("stream", atMost: qos)])
            try await mosquitto.withClient("publisher") { publisher in
                let progress = Progress()
                async let published = publishUntil(progress, publisher, qos)
                async let restarted: Void = restart(mosquitto, progress)
                let arrivals = try await receive(subscriber.messages, progress)
                let count = try await published
                try await restarted
                #expect(arrivals.next == count)
                #expect(count > 10 * Self.arrivalsBetween)
                if qos == .exactlyOnce { #expect(arrivals.repeats <= mosquitto.publishesAfterPubrec(to: "subscriber")) }
            }
        }
        try await mosquitto.stop()
    }

    /// Publishes numbers, and then an empty message that says that this was all. Returns how many.
    private func publishUntil(_ progress: Progress, _ client: MQTTClient, _ qos: QoS) async throws -> Int {
        var count = 0
        var open: [Delivery] = []
        while !progress.isOver {
            if open.count >= 1_000 {
                for delivery in open.prefix(100) { _ = try await delivery.completed }
                open.removeFirst(100)
            }
            for _ in 0..<100 {
                open.append(try client.submit(Payload(number: count), to: "stream", qos))
                count += 1
            }
        }
        open.append(try client.submit(.empty, to: "stream", qos))
        for delivery in open { _ = try await delivery.completed }
        return count
    }

    private func restart(_ mosquitto: Mosquitto, _ progress: Progress) async throws {
        defer { progress.isOver = true }
        for _ in 0..<10 {
            // Counted from the restart before: both clients are back, and the stream flows.
            let wanted = progress.arrived + Self.arrivalsBetween
            for await arrived in progress.changes where arrived >= wanted { break }
            try await mosquitto.restart()
        }
    }

    private func receive(_ messages: Messages, _ progress: Progress) async throws -> Arrivals {
        defer { progress.end() }
        var arrivals = Arrivals()
        for try await message in messages {
            if message.payload.isEmpty { break }
            if try arrivals.note(message) {
                progress.arrived = arrivals.next
            } else if message.qos == .exactlyOnce {
                #expect(message.isDuplicate)
            }
        }
        return arrivals
    }

    @Test("A kill without persistence: what was not complete is at the broker afterwards", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func killed(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started(Mosquitto.Settings(persistence: false))
        let count = 3_000
        try await mosquitto.withClient("publisher") { publisher in
            var states = publisher.connectionStates.makeAsyncIterator()
            // Retained, each under its own topic: afterwards the broker can be asked for every one.
            let publications = (0..<count).map { Publication(Payload(number: $0), to: "kill/\($0)", qos, retain: true) }
            var deliveries = try publisher.submit(contentsOf: publications[..<(count * 2 / 3)])
            _ = try await deliveries[count / 3].completed
            try await mosquitto.kill()
            _ = try await publisher.waitForState(&states, where: \.isOffline)
            deliveries += try publisher.submit(contentsOf: publications[(count * 2 / 3)...])
            // Complete ones went with the broker's memory. Unfinished are some that were sent, and all that were not.
            var unfinished: Set<Int> = []
            for (number, delivery) in deliveries.enumerated() where await !delivery.isComplete { unfinished.insert(number) }
            try await mosquitto.start()
            let online = try await publisher.waitForState(&states, where: \.isOnline)
            #expect(online == .online(try await publisher.waitUntilOnline()))
            #expect(try await !publisher.waitUntilOnline().sessionPresent)
            for delivery in deliveries { _ = try await delivery.completed }
            #expect(unfinished.count >= count / 3)
            let kept = try await retainedNumbers(mosquitto)
            #expect(kept.isSuperset(of: unfinished))
        }
    }

    private func retainedNumbers(_ mosquitto: Mosquitto) async throws -> Set<Int> {
        try await mosquitto.withClient("reader", clean: true) { reader in
            try await reader.subscribe(to: "kill/#") { messages in
                // Retained messages come ahead of what is published after SUBACK.
                try await reader.publish(.empty, to: "kill/end", .exactlyOnce)
                var kept: Set<Int> = []
                for try await message in messages {
                    guard let number = message.payload.number else { break }
                    kept.insert(number)
                }
                return kept
            }
        }
    }

    @Test("After a kill without persistence the client subscribes again, ahead of what is asked after its return")
    func resubscribes() async throws {
        let mosquitto = try await Mosquitto.started(Mosquitto.Settings(persistence: false))
        try await mosquitto.withClient("subscriber") { subscriber in
            try await subscriber.subscribe(to: [Subscription("a"), Subscription("b/+", atMost: .atLeastOnce)])
            try await subscriber.subscribe(to: "scoped/#") { scoped in
                var messages = subscriber.messages.makeAsyncIterator()
                var scopedMessages = scoped.makeAsyncIterator()
                for round in 0..<5 {
                    var states = subscriber.connectionStates.makeAsyncIterator()
                    try await mosquitto.kill()
                    _ = try await subscriber.waitForState(&states, where: \.isOffline)
                    try await mosquitto.start()
                    _ = try await subscriber.waitForState(&states, where: \.isOnline)
                    for topic in ["a", "b/c", "scoped/x"] {
                        _ = try await subscriber.publish(Payload(number: round), to: topic, .exactlyOnce).completed
                    }
                    #expect(try await messages.next()?.topic == "a")
                    let second = try #require(try await messages.next())
                    #expect(second.topic == "b/c")
                    #expect(second.qos == .atLeastOnce)
                    #expect(try await scopedMessages.next()?.payload.number == round)
                }
            }
        }
    }
}

/// How far a stream has come, for those who feed and disturb it.
private final class Progress: Sendable {
    /// The newest number of arrivals.
    let changes: AsyncStream<Int>
    private let continuation: AsyncStream<Int>.Continuation
    private let count = Atomic(0)
    private let over = Atomic(false)

    init() { (changes, continuation) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingNewest(1)) }

    var arrived: Int {
        get { count.load(ordering: .acquiring) }
        set {
            count.store(newValue, ordering: .releasing)
            continuation.yield(newValue)
        }
    }

    var isOver: Bool {
        get { over.load(ordering: .acquiring) }
        set { over.store(newValue, ordering: .releasing) }
    }

    func end() { continuation.finish() }
}

extension Mosquitto {
    /// How often it sent a QoS 2 PUBLISH again after it had received PUBREC, by its own log.
    ///
    /// Mosquitto 2.0.11 does that when it was stopped between PUBREC and PUBCOMP, against [MQTT-4.3.3-1]. By then the client may
    /// have ended the exchange with PUBCOMP, and the identifier is free for a new message: it cannot tell, and must not drop it.
    func publishesAfterPubrec(to client: String) -> Int {
        var received: Set<Substring> = []
        var count = 0
        for line in log.split(separator: "\n") {
            if line.contains("Received PUBREC from \(client) (Mid: ") {
                received.insert(line.drop { $0 != "(" }.dropFirst(6).prefix(while: \.isNumber))
            } else if line.contains("Sending PUBLISH to \(client) (d"), let mark = line.firstRange(of: ", m") {
                let identifier = line[mark.upperBound...].prefix(while: \.isNumber)
                if received.remove(identifier) != nil, line.contains("(d1, ") { count += 1 }
            }
        }
        return count
    }
}

extension Delivery {
    /// Whether it is complete, while no answer can come: a wait that is canceled gives only what is known.
    var isComplete: Bool {
        get async {
            let wait = Task { try await completed }
            wait.cancel()
            return (try? await wait.value) != nil
        }
    }
}
