import MQTTCore
import NIOCore
import Testing

@testable import MQTT

/// Several brokers: which one is asked next.
@Suite(.timeLimit(.minutes(1))) struct FailOverTests {
    private static let second: Int64 = 1_000_000_000

    // MARK: The memory

    @Test("The first that has not failed lately, in the order of the list")
    func order() {
        var health = RouteHealth(count: 3, stableTime: Self.second)
        var now = Instant(nanoseconds: 0)
        for expected in 0..<3 {
            #expect(health.choose(at: now) == expected)
            let has1 = health.lost(at: now) == (expected < 2)
            #expect(has1)
        }
        // All are avoided: the one whose time is over first.
        #expect(health.choose(at: now) == 0)
        now = now + RouteHealth.leastPenalty
        #expect(health.choose(at: now) == 0)
        _ = health.lost(at: now)
        #expect(health.choose(at: now) == 1)
    }

    @Test("The time to stay away doubles, up to its limit, and a good connection ends it")
    func penalties() {
        var health = RouteHealth(count: 2, stableTime: Self.second)
        var now = Instant(nanoseconds: 0)
        var penalty = RouteHealth.leastPenalty
        for _ in 0..<20 {
            #expect(health.choose(at: now) == 0)
            let has2 = health.lost(at: now)
            #expect(has2)
            #expect(health.choose(at: now + (penalty - 1)) == 1)
            #expect(health.choose(at: now + penalty) == 0)
            now = now + penalty
            penalty = min(penalty * 2, RouteHealth.longestPenalty)
        }
        health.online(at: now)
        now = now + Self.second
        let has3 = health.lost(at: now)
        #expect(!has3)
        #expect(health.choose(at: now) == 0)
        _ = health.lost(at: now)
        #expect(health.choose(at: now + RouteHealth.leastPenalty) == 0)
    }

    @Test("A broker that lets in and throws out at once is avoided like one that does not let in")
    func kicks() {
        var health = RouteHealth(count: 2, stableTime: Self.second)
        let now = Instant(nanoseconds: 0)
        _ = health.choose(at: now)
        health.online(at: now)
        let has4 = health.lost(at: now + (Self.second - 1))
        #expect(has4)
        #expect(health.choose(at: now + Self.second) == 1)
        health.forget()
        #expect(health.choose(at: now) == 0)
    }

    @Test("After a good connection it is the same broker first, also when one ahead of it in the list could be asked again")
    func returns() {
        var health = RouteHealth(count: 2, stableTime: Self.second)
        var now = Instant(nanoseconds: 0)
        _ = health.choose(at: now)
        _ = health.lost(at: now)
        #expect(health.failures == 1)
        #expect(health.choose(at: now) == 1)
        #expect(health.failures == 0)
        health.online(at: now)
        now = now + RouteHealth.longestPenalty
        let hasBetter = health.lost(at: now)
        #expect(!hasBetter)
        #expect(health.choose(at: now) == 1)
        // It did not come back: the list counts again.
        let hasOther = health.lost(at: now)
        #expect(hasOther)
        #expect(health.choose(at: now) == 0)
    }

    @Test("A single broker is never avoided")
    func single() {
        var health = RouteHealth(count: 1, stableTime: Self.second)
        let now = Instant(nanoseconds: 0)
        for _ in 0..<5 {
            #expect(health.choose(at: now) == 0)
            let has5 = health.lost(at: now)
            #expect(!has5)
        }
        #expect(health.failures == 5)
        health.online(at: now)
        _ = health.lost(at: now + Self.second)
        #expect(health.failures == 0)
    }

    // MARK: The client

    private func configuration(_ servers: [ScriptedBroker], _ change: (inout Configuration) -> Void = { _ in }) throws -> Configuration {
        let brokers = servers.map { Broker.tcp(host: "127.0.0.1", port: $0.port) }
        var configuration = try Configuration(brokers: brokers, session: .volatile(id: "client"))
        configuration.reconnect.minimum = .milliseconds(1)
        configuration.reconnect.maximum = .seconds(3_600)
        change(&configuration)
        return configuration
    }

    @Test("A broker that is gone, and one that refuses, are passed over at once; each has credentials of its own")
    func passesOver() async throws {
        let servers = [try await ScriptedBroker.start(), try await ScriptedBroker.start(), try await ScriptedBroker.start()]
        try await servers[0].stop()
        var settings = try configuration(servers)
        settings.fallbacks[1].username = "third"
        let client = try MQTTClient(settings)
        let run = Task { try await client.run() }
        let refusing = try await servers[1].peer()
        _ = try await refusing.packet()
        // After a refusal the pause is the longest, an hour here; but there is another broker to be asked.
        try await refusing.send([0x20, 2, 0, 3])
        let peer = try await servers[2].peer()
        let connect = try await peer.packet()
        #expect(connect.suffix(7) == [0, 5] + Array("third".utf8))
        try await peer.send([0x20, 2, 0, 0])
        try await client.waitUntilOnline()
        await client.close()
        try await run.value
        for server in servers[1...] { try await server.stop() }
    }

    @Test("A publish that one broker has not confirmed goes to the next")
    func goesOn() async throws {
        let servers = [try await ScriptedBroker.start(), try await ScriptedBroker.start()]
        let client = try MQTTClient(configuration(servers))
        let run = Task { try await client.run() }
        let delivery = try client.submit("x", to: "t", .atLeastOnce)
        let first = try await servers[0].accept()
        let publish = try await first.packet(0x30)
        try await servers[0].stop()
        try await first.close()
        let second = try await servers[1].accept()
        let again = try await second.packet(0x30)
        #expect(again.dropFirst() == publish.dropFirst())
        try await second.send([0x40, 2] + again[5...6])
        _ = try await delivery.completed
        await client.close()
        try await run.value
        try await servers[1].stop()
    }

    @Test("Without retries each broker is asked once, and the last failure is the one that is told")
    func firstRound() async throws {
        let servers = [try await ScriptedBroker.start(), try await ScriptedBroker.start()]
        try await servers[0].stop()
        let client = try MQTTClient(configuration(servers) { $0.retriesFirstConnect = false })
        let run = Task { try await client.run() }
        let peer = try await servers[1].peer()
        _ = try await peer.packet()
        try await peer.send([0x20, 2, 0, 5])
        let error = await #expect(throws: MQTTError.self) { try await run.value }
        #expect(error?.code == .connectionRefused)
        #expect(error?.reasonCode == .notAuthorized)
        try await servers[1].stop()
    }

    @Test("A fallback that cannot be honoured throws, like the first")
    func checked() async throws {
        var configuration = Configuration(broker: .tcp(host: "a"), session: .volatile(id: "c"))
        configuration.fallbacks = [.tcp(host: "", port: 1)]
        #expect(throws: MQTTError.self) { try MQTTClient(configuration) }
        #expect(throws: MQTTError.self) { try Configuration(brokers: [], session: .volatile(id: "c")) }
    }
}
