import MQTT
import Testing

/// A machine that sleeps: one of two clocks jumps.
@Suite(.timeLimit(.minutes(1))) struct ClockTests {
    /// A clock that can be set forward.
    private final class JumpingClock: Clock {
        let ahead = LockedBox(Duration.zero)

        var now: ContinuousClock.Instant { ContinuousClock.now + ahead.value }
        var minimumResolution: Duration { .nanoseconds(1) }
        func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
            try await ContinuousClock().sleep(until: deadline - ahead.value, tolerance: tolerance)
        }
    }

    @Test("A jump of the clock that counts sleep: the broker is asked at once, or the connection is given up when it must have been")
    func jump() async throws {
        let server = try await ScriptedBroker.start()
        let clock = JumpingClock()
        let client = try MQTTClient(
            settings(dialer: server.dialer) {
                $0.keepAlive = .seconds(3_600)
                $0.sleepClocks = SleepClocks(suspending: ContinuousClock(), continuous: clock)
            })
        var states = client.connectionStates.makeAsyncIterator()
        let run = Task { try await client.run() }
        let peer = try await server.accept()
        #expect(await states.next() == .online(try await client.waitUntilOnline()))
        clock.ahead.withValue { $0 = .seconds(600) }
        #expect(try await peer.packet() == [0xC0, 0])
        try await peer.send([0xD0, 0])
        // More than one and a half times keep-alive: the clocks are read one after the other, so not exactly that.
        clock.ahead.withValue { $0 = .seconds(600 + 5_500) }
        guard case .offline(let error)? = await states.next() else { throw MQTTError.closedInTest }
        #expect(error.message.contains("slept"))
        _ = try await server.accept()
        try await client.waitUntilOnline()
        await client.close()
        try await run.value
        try await server.stop()
    }

    @Test("A jump ends the pause between attempts")
    func pause() async throws {
        let server = try await ScriptedBroker.start()
        let clock = JumpingClock()
        let client = try MQTTClient(
            settings(dialer: server.dialer) {
                $0.reconnect.maximum = .seconds(36_000)
                $0.sleepClocks = SleepClocks(suspending: ContinuousClock(), continuous: clock)
            })
        var states = client.connectionStates.makeAsyncIterator()
        let run = Task { try await client.run() }
        let peer = try await server.peer()
        _ = try await peer.packet()
        try await peer.send([0x20, 2, 0, 3])
        guard case .attemptFailed? = await states.next() else { throw MQTTError.closedInTest }
        clock.ahead.withValue { $0 = .seconds(2) }
        _ = try await server.accept()
        try await client.waitUntilOnline()
        await client.close()
        try await run.value
        try await server.stop()
    }
}

extension MQTTError {
    fileprivate static var closedInTest: MQTTError { MQTTError(.closed, .notSent, "another state was expected") }
}
