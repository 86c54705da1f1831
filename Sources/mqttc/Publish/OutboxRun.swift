import ArgumentParser
import MQTT

/// `pub --outbox`: first everything is safe in the directory, then as much is delivered as can be.
struct OutboxRun: Sendable {
    let command: Pub
    let directory: String
    let progress: PublishProgress

    /// How long a run waits for another one that has the directory, without -W.
    static let lockTimeout = 10.0

    private enum End: Sendable {
        case delivered
        case failed(MQTTError)
        case rejected(Int32)
    }

    func run() async throws {
        if command.connection.quiet { Complaints.silence() }
        let store = try await store()
        var running = Running(connection: command.connection, timeout: command.timeout.map { .seconds($0) })
        running.place = .outbox(store)
        running.waitsForConnection = false
        running.whenInterrupted = { tellAccepted() }
        running.adjust = { configuration in
            // A first attempt that fails is for us to judge.
            configuration.retriesFirstConnect = true
            // The disk is the bound.
            configuration.limits.atLeastOnce = 50_000_000
            configuration.limits.exactlyOnce = 50_000_000
            configuration.limits.queuedBytes = .max
            configuration.limits.inFlight = command.inFlight ?? Publisher.window
            configuration.limits.exactlyOnceInFlight = command.inFlight ?? Publisher.exactlyOnceWindow
        }
        try await running.run { client in
            for damage in client.storeDamage { Complaints.say("outbox: \(damage)") }
            // From the beginning: what an earlier run has left may be rejected while this one still accepts.
            let rejection = Task { await RejectionMonitor.ofOutbox.watch(client) }
            defer { rejection.cancel() }
            if !command.flush { try await accept(client) }
            let display = progress.display()
            defer { display?.cancel() }
            try await deliver(client, rejection)
            // It was said, and will not be said again: the damaged file is gone with this run.
            if client.storeDamage.contains(where: { $0.key != nil }) { throw Running.Exit(status: ExitStatus.store) }
        }
    }

    /// The directory is for one process at a time: the next one waits for its turn.
    private func store() async throws -> HeldStore {
        let timeout = command.timeout ?? Self.lockTimeout
        do {
            if let store = try await HeldStore.open(at: directory, within: .seconds(timeout)) { return store }
        } catch let error as MQTTError {
            Complaints.say(error)
            throw ExitCode(ExitStatus.of(error))
        }
        Complaints.say(
            "another process has the outbox \(directory), for longer than \(Quantity.seconds(timeout)): try again when it has ended, "
                + "let this one wait longer with -W, or use another directory")
        throw ExitCode(ExitStatus.store)
    }

    // MARK: Dropping

    /// Gives up the message that waits first, which a broker that rejects it would be sent again and again. Without a connection: nothing
    /// changes meanwhile.
    func dropFirst() async throws {
        do {
            let store = try await store()
            let client = try MQTTClient(try command.connection.configuration(store: .outbox(store)))
            for damage in client.storeDamage { Complaints.say("outbox: \(damage)") }
            var deliveries = client.deliveries.makeAsyncIterator()
            guard let first = try await deliveries.next() else {
                await client.close()
                Complaints.say("nothing waits in \(directory)")
                throw ExitCode.failure
            }
            let isDropped = first.delivery.abandon()
            await client.close()
            if let failure = store.failure { throw failure }
            let message = "the message to \(DisplayText.safe(first.topic)), of \(Quantity.grouped(first.payloadCount)) bytes"
            guard isDropped else {
                Complaints.say("\(message), is not dropped: the broker has it, and --flush ends its exchange")
                throw ExitCode.failure
            }
            Complaints.say("dropped \(message)")
        } catch let error as MQTTError {
            Complaints.say(error)
            throw ExitCode(ExitStatus.of(error))
        }
    }

    // MARK: Accepting

    private func accept(_ client: MQTTClient) async throws {
        let topic = command.topic ?? command.connection.topicOfURL ?? ""
        let intake = OutboxIntake(client, topic: topic, qos: command.qos, retain: command.retain, progress: progress)
        do {
            try await intake.run { intake in
                if case .lines = command.input {
                    var lines = InputLines()
                    while let batch = try await lines.next() {
                        for line in batch { try await intake.take(Payload(bytes: line)) }
                    }
                } else {
                    let payload = try await command.input.payload(progress)
                    for number in 0..<command.repeatCount {
                        if number > 0, command.repeatDelay > 0 { try await Task.sleep(for: .seconds(command.repeatDelay)) }
                        try await intake.take(payload)
                    }
                }
            }
        } catch {
            tellAccepted()
            throw error
        }
    }

    /// For whoever wants to go on where this was broken off.
    private func tellAccepted() {
        let (accepted, handedOver) = (progress.acceptedCount, progress.handedOverCount)
        if command.flush || handedOver == 0 { return }
        let rest = accepted == handedOver ? "" : "; of \(Quantity.grouped(handedOver - accepted)) more it is not known"
        Complaints.say("\(Quantity.grouped(accepted)) messages were accepted\(rest)")
    }

    // MARK: Delivering

    private func deliver(_ client: MQTTClient, _ rejection: Task<Int32?, Never>) async throws {
        let end = try await withThrowingTaskGroup(of: End?.self) { group in
            group.addTask {
                for try await outstanding in client.deliveries {
                    let outcome = try await outstanding.delivery.completed
                    progress.completed()
                    guard !outcome.reasonCode.isFailure else {
                        let topic = DisplayText.safe(outstanding.topic)
                        Complaints.say("the broker rejects a message to \(topic) (reason code \(outcome.reasonCode))")
                        return .rejected(ExitStatus.publishRejected)
                    }
                }
                return .delivered
            }
            group.addTask { await firstFailure(client).map { .failed($0) } }
            group.addTask {
                // The group waits for all of its tasks, and this one for the monitor.
                await withTaskCancellationHandler {
                    await rejection.value.map { .rejected($0) }
                } onCancel: {
                    rejection.cancel()
                }
            }
            // Nil: the client has ended, which its own task reports.
            let first = try await group.next() ?? nil
            group.cancelAll()
            return first
        }
        switch end {
        case .delivered, nil: return
        case .rejected(let status):
            Complaints.say("it waits in \(directory), and what was accepted after it; --drop-first drops it")
            throw Running.Exit(status: status)
        case .failed(let failure):
            Complaints.say(failure)
            Complaints.say("what was accepted waits in \(directory)")
            let isAway = ExitStatus.of(failure) == ExitStatus.unavailable || failure.code == .timeout
            // The message was accepted, which is what was asked for; with --flush it was not.
            if !isAway || command.flush { throw Running.Exit(status: isAway ? ExitStatus.unavailable : ExitStatus.of(failure)) }
        }
    }

    /// An attempt to connect that failed. A connection that was lost is made anew first.
    private func firstFailure(_ client: MQTTClient) async -> MQTTError? {
        for await state in client.connectionStates {
            if case .attemptFailed(let error) = state { return error }
        }
        return nil
    }
}
