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
        let run = Task { () -> MQTTError? in
            do throws(MQTTError) {
                try await client.run()
                return nil
            } catch {
                return error
            }
        }
        let end = await withTaskGroup(of: End?.self) { group in
            group.addTask { await outcome(client, body) }
            group.addTask { await signals.first().map(End.signal) }
            group.addTask {
                // The client gave up on its own: a refused or impossible first connection.
                let error = await run.value
                return error.map(End.failed)
            }
            var end: End?
            while end == nil, let next = await group.next() { end = next }
            if case .signal = end { signals.restore() }
            // Even when it fails the client has ended then.
            try? await client.disconnect()
            group.cancelAll()
            return end ?? .done
        }
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
