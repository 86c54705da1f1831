import ArgumentParser
import MQTT

/// How the commands end: what was asked for is done, it failed, or a signal came; each with its exit status, and always with a
/// DISCONNECT when there is a connection, so that the will does not fire.
enum Running {
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

    /// Connects, runs the body while the connection is kept up, and disconnects.
    static func client(
        _ arguments: BrokerArguments, _ adjust: (inout Configuration) -> Void = { _ in },
        _ body: @escaping @Sendable (MQTTClient) async throws -> Void
    ) async throws {
        Descriptor.ignoreBrokenPipes()
        let signals = Signals()
        let client: MQTTClient
        do throws(MQTTError) {
            var configuration = try arguments.configuration()
            adjust(&configuration)
            client = try MQTTClient(configuration)
        } catch {
            Descriptor.complain(error.description)
            throw ExitCode(ExitStatus.of(error))
        }
        let end = await race(client, signals, body)
        switch end {
        case .done: break
        case .failed(let error):
            Descriptor.complain(error.description)
            throw ExitCode(ExitStatus.of(error))
        case .otherFailure(let status): throw ExitCode(status)
        case .signal(let number): throw ExitCode(ExitStatus.signal(number))
        }
    }

    private static func race(
        _ client: MQTTClient, _ signals: Signals, _ body: @escaping @Sendable (MQTTClient) async throws -> Void
    ) async -> End {
        // No task group: it would wait for a body that is blocked in reading a terminal.
        let (ends, first) = AsyncStream.makeStream(of: End.self)
        Task {
            do throws(MQTTError) {
                try await client.run()
            } catch {
                // The client gave up on its own: a refused or impossible first connection.
                first.yield(.failed(error))
            }
        }
        Task {
            if let end = await outcome(client, body) { first.yield(end) }
        }
        Task {
            if let number = await signals.first() { first.yield(.signal(number)) }
        }
        var iterator = ends.makeAsyncIterator()
        let end = await iterator.next() ?? .done
        // Whoever sends a second signal does not want to wait for the good order.
        signals.restore()
        // Even when it fails the client has ended then.
        try? await client.disconnect()
        return end
    }

    private static func outcome(_ client: MQTTClient, _ body: @Sendable (MQTTClient) async throws -> Void) async -> End? {
        do {
            try await client.waitUntilOnline()
            try await body(client)
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
