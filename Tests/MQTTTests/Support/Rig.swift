import MQTT
import MQTTTesting
import Testing

/// Runs a broker for the time of `body`.
func withBroker(
    _ change: (inout TestBroker.Configuration) -> Void = { _ in }, _ body: (TestBroker) async throws -> Void
) async throws {
    var configuration = TestBroker.Configuration()
    configuration.address = .inMemory
    change(&configuration)
    let broker = try await TestBroker.start(configuration)
    do {
        try await body(broker)
        #expect(try await broker.violations.isEmpty)
        try await broker.stop()
    } catch {
        try? await broker.stop()
        throw error
    }
}

/// What a client of the broker needs to know, with pauses that tests can bear.
func settings(_ broker: TestBroker, _ id: String = "client", _ change: (inout Configuration) -> Void = { _ in }) -> Configuration {
    settings(dialer: broker.dialer, id, change)
}

func settings(dialer: any Dialer, _ id: String = "client", _ change: (inout Configuration) -> Void = { _ in }) -> Configuration {
    var configuration = Configuration(broker: .tcp(host: "in.memory"), session: .volatile(id: id))
    configuration.dialer = dialer
    configuration.reconnect.minimum = .milliseconds(1)
    configuration.reconnect.maximum = .milliseconds(5)
    change(&configuration)
    return configuration
}

/// The error that `body` throws.
func failure(_ body: () async throws -> Void) async -> MQTTError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? MQTTError
    }
}

extension Messages {
    /// The texts of the next messages.
    func texts(_ count: Int) async throws(MQTTError) -> [String] {
        var texts: [String] = []
        var iterator = makeAsyncIterator()
        while texts.count < count, let message = try await iterator.next() { texts.append(message.payload.string ?? "") }
        return texts
    }
}
