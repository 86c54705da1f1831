import ArgumentParser
import MQTT
import NIOPosix

/// How the commands end: what was asked for is done, it failed, its time is up, or a signal came; each with its exit status, and
/// always with a DISCONNECT when there is a connection, so that the will does not fire.
struct Running: Sendable {
    private enum End: Sendable {
        case done
        case failed(MQTTError)
        case otherFailure(Int32)
        case signal(Int32)
    }

    /// What a body throws to choose the exit status itself, having said why.
    struct Exit: Error {
        let status: Int32
    }

    var connection: ConnectionArguments
    /// Counts from when the broker accepted the connection, as Mosquitto's -W does.
    var timeout: Duration?
    /// Ends the run when it returns a status, having said why.
    var monitor: (@Sendable (MQTTClient) async -> Int32?)?
    /// The exit status when everything that was asked for is done.
    var statusOnSuccess: @Sendable () -> Int32 = { 0 }
    var adjust: @Sendable (inout Configuration) -> Void = { _ in }
    /// Gives the terminal back, whatever ended the run.
    var restore: @Sendable () -> Void = {}
    /// What is to be said when a signal ends the run.
    var whenInterrupted: @Sendable () -> Void = {}
    /// How many clients connect, each with an identifier of its own.
    var clientCount = 1
    var place = SessionPlace.memory
    /// Whether the body begins when the broker has accepted the connection, or at once.
    var waitsForConnection = true

    /// So many connections are made at a time: a broker's queue of them is short.
    private static let wave = 64

    /// Connects, runs the body while the connection is kept up, and disconnects. What the body wrote is on its way out then.
    func run(output: LineWriter? = nil, _ body: @escaping @Sendable (MQTTClient) async throws -> Void) async throws {
        try await runAll(output: output) { clients in
            for client in clients { try await body(client) }
        }
    }

    /// The same with several clients, once all of them are connected.
    func runAll(output: LineWriter? = nil, _ body: @escaping @Sendable ([MQTTClient]) async throws -> Void) async throws {
        Descriptor.ignoreBrokenPipes()
        if connection.quiet { Complaints.silence() }
        let signals = Signals()
        let clients: [MQTTClient]
        do throws(MQTTError) {
            clients = try makeClients()
        } catch {
            Complaints.say(error)
            throw ExitCode(ExitStatus.of(error))
        }
        if connection.debug { for client in clients { tellStates(of: client) } }
        let end = await race(clients, signals, output, body)
        restore()
        let lost = ExitStatus.of(output: await finish(clients, end, output))
        try conclude(end, lost)
    }

    private func makeClients() throws(MQTTError) -> [MQTTClient] {
        // One connection needs one thread; and more threads than processors help nobody.
        let threads = clientCount == 1 ? 1 : min(clientCount, System.coreCount)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        var clients: [MQTTClient] = []
        for index in 0..<clientCount {
            var configuration = try connection.configuration(client: index, store: place)
            adjust(&configuration)
            Complaints.heed(configuration)
            clients.append(try MQTTClient(configuration, eventLoopGroup: group))
        }
        return clients
    }

    /// - Parameter lost: The exit status when standard output did not take everything.
    private func conclude(_ end: End, _ lost: Int32?) throws {
        switch end {
        case .done:
            let status = lost ?? statusOnSuccess()
            if status != 0 { throw ExitCode(status) }
        case .failed(let error):
            Complaints.say(error)
            throw ExitCode(lost ?? ExitStatus.of(error))
        case .otherFailure(let status): throw ExitCode(lost ?? status)
        case .signal(let number):
            whenInterrupted()
            throw ExitCode(ExitStatus.signal(number))
        }
    }

    private func race(
        _ clients: [MQTTClient], _ signals: Signals, _ output: LineWriter?,
        _ body: @escaping @Sendable ([MQTTClient]) async throws -> Void
    ) async -> End {
        // No task group: it would wait for a body that is blocked in reading a terminal.
        let (ends, first) = AsyncStream.makeStream(of: End.self)
        Task {
            if let end = await outcome(clients, first, body) { first.yield(end) }
        }
        Task {
            if let number = await signals.first() { first.yield(.signal(number)) }
        }
        if let output {
            // At once, not with the next message, which may not come for days.
            Task {
                await output.untilBroken()
                first.yield(.otherFailure(ExitStatus.failure))
            }
        }
        if let client = clients.first { watch(client, first) }
        var iterator = ends.makeAsyncIterator()
        let end = await iterator.next() ?? .done
        // Whoever sends a second signal does not want to wait for the good order.
        signals.restore()
        return end
    }

    private func watch(_ client: MQTTClient, _ first: AsyncStream<End>.Continuation) {
        if let timeout {
            Task {
                _ = try? await client.waitUntilOnline()
                try? await Task.sleep(for: timeout)
                first.yield(.failed(MQTTError(.timeout, .unknown, "timed out")))
            }
        }
        if let monitor {
            Task {
                if let status = await monitor(client) { first.yield(.otherFailure(status)) }
            }
        }
    }

    private func connect(_ clients: [MQTTClient], _ first: AsyncStream<End>.Continuation) async throws {
        var rest = clients[...]
        while !rest.isEmpty {
            for client in rest.prefix(Self.wave) {
                Task {
                    do throws(MQTTError) {
                        try await client.run()
                    } catch {
                        // The client gave up on its own: a refused or impossible first connection.
                        first.yield(.failed(error))
                    }
                }
            }
            if waitsForConnection { for client in rest.prefix(Self.wave) { try await client.waitUntilOnline() } }
            rest = rest.dropFirst(Self.wave)
        }
    }

    /// Returns what went wrong with standard output.
    private func finish(_ clients: [MQTTClient], _ end: End, _ output: LineWriter?) async -> SystemFile.Failure? {
        // Even when it fails the client has ended then.
        for client in clients { try? await client.disconnect() }
        guard let output else { return nil }
        switch end {
        case .done, .failed, .otherFailure: return await output.flush()
        case .signal:
            // Perhaps nobody reads any more, which is why the signal came.
            let (ends, first) = AsyncStream.makeStream(of: SystemFile.Failure?.self)
            Task { first.yield(await output.flush()) }
            Task {
                try? await Task.sleep(for: .milliseconds(500))
                first.yield(nil)
            }
            for await failure in ends { return failure }
            return nil
        }
    }

    private func tellStates(of client: MQTTClient) {
        Task {
            for await state in client.connectionStates {
                switch state {
                case .online(let online): Complaints.say("connected, session present: \(online.sessionPresent)")
                case .offline(let error), .attemptFailed(let error): Complaints.say(error)
                case .closed: Complaints.say("disconnected")
                }
            }
        }
    }

    private func outcome(
        _ clients: [MQTTClient], _ first: AsyncStream<End>.Continuation, _ body: @Sendable ([MQTTClient]) async throws -> Void
    ) async -> End? {
        do {
            try await connect(clients, first)
            try await body(clients)
            return .done
        } catch let error as MQTTError {
            // What ended the client is known to its `run`.
            return error.code == .closed || error.code == .suspended ? nil : .failed(error)
        } catch let exit as Exit {
            return .otherFailure(exit.status)
        } catch {
            return .otherFailure(ExitStatus.failure)
        }
    }
}
