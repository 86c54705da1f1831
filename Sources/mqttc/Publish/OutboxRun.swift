import ArgumentParser
import MQTT
import NIOCore

/// `pub --outbox`: first everything is safe in the directory, then as much is delivered as can be.
struct OutboxRun: Sendable {
    let command: Pub
    let directory: String
    let progress: PublishProgress

    /// Messages that are being written to disk at a time: they share a sync.
    private static let window = 1_000

    func run() async throws {
        var running = Running(connection: command.connection, timeout: command.timeout.map { .seconds($0) })
        running.place = .outbox(directory)
        running.waitsForConnection = false
        running.adjust = { configuration in
            // A first attempt that fails is for us to judge.
            configuration.retriesFirstConnect = true
            // The disk is the bound.
            configuration.limits.atLeastOnce = 50_000_000
            configuration.limits.exactlyOnce = 50_000_000
            configuration.limits.queuedBytes = .max
            configuration.limits.inFlight = command.inFlight ?? Publisher.window
            configuration.limits.exactlyOnceInFlight = command.inFlight ?? 19
        }
        try await running.run { client in
            for damage in client.storeDamage { Complaints.say("outbox: \(damage)") }
            if !command.flush { try await accept(client) }
            let display = progress.display()
            defer { display?.cancel() }
            try await deliver(client)
        }
    }

    // MARK: Accepting

    private func accept(_ client: MQTTClient) async throws {
        var unwritten = CircularBuffer<Delivery>(initialCapacity: Self.window)
        func take(_ payload: Payload) async throws {
            if unwritten.count == Self.window, let oldest = unwritten.popFirst() { try await oldest.stored() }
            let topic = command.topic ?? command.connection.topicOfURL ?? ""
            unwritten.append(try await client.publish(payload, to: topic, command.qos, retain: command.retain))
            progress.accepted(payload.count)
        }
        if case .lines = command.input {
            var lines = InputLines()
            while let batch = try await lines.next() {
                for line in batch { try await take(Payload(bytes: line)) }
            }
        } else {
            let payload = try await command.input.payload(progress)
            for _ in 0..<command.repeatCount { try await take(payload) }
        }
        while let oldest = unwritten.popFirst() { try await oldest.stored() }
    }

    // MARK: Delivering

    private func deliver(_ client: MQTTClient) async throws {
        let failure = try await withThrowingTaskGroup(of: MQTTError?.self) { group in
            group.addTask {
                for try await outstanding in client.deliveries {
                    let outcome = try await outstanding.delivery.completed
                    progress.completed()
                    guard !outcome.reasonCode.isFailure else {
                        Complaints.say("the broker rejects a message (reason code \(outcome.reasonCode))")
                        throw Running.Exit(status: ExitStatus.publishRejected)
                    }
                }
                return nil
            }
            group.addTask { await firstFailure(client) }
            let first = try await group.next() ?? nil
            group.cancelAll()
            return first
        }
        guard let failure else { return }
        Complaints.say(failure)
        Complaints.say("what was accepted waits in \(directory)")
        let isAway = ExitStatus.of(failure) == ExitStatus.unavailable || failure.code == .timeout
        // The message was accepted, which is what was asked for; with --flush it was not.
        if !isAway || command.flush { throw Running.Exit(status: isAway ? ExitStatus.unavailable : ExitStatus.of(failure)) }
    }

    /// An attempt to connect that failed. A connection that was lost is made anew first.
    private func firstFailure(_ client: MQTTClient) async -> MQTTError? {
        for await state in client.connectionStates {
            if case .attemptFailed(let error) = state { return error }
        }
        return nil
    }
}

/// The lines of standard input, as they come.
struct InputLines {
    /// The longest payload that a packet can hold, and then some: it is refused when it is published.
    private static let limit = 1 << 28

    private var splitter = LineSplitter(limit: limit)
    private var isAtEnd = false

    /// Each line without its end; a last line needs no end. Nil when there are no more.
    mutating func next() async throws -> [[UInt8]]? {
        if isAtEnd { return nil }
        var lines: [[UInt8]] = []
        var isTooLong = false
        guard let chunk = await StandardInput.next() else {
            isAtEnd = true
            return splitter.rest.isEmpty ? nil : [splitter.rest]
        }
        splitter.feed(chunk[...]) { line in
            switch line {
            case .whole(let bytes): lines.append(bytes)
            case .tooLong: isTooLong = true
            }
        }
        guard !isTooLong else {
            Complaints.say("a line is longer than any message")
            throw Running.Exit(status: ExitStatus.usage)
        }
        return lines
    }
}
