// PINGREQ in time, and a silent broker given up in time: with keep-alive 60 s and a pause time-out of 10 s unless said otherwise.
import MQTTCore
import Testing

struct KeepAliveTests {
    @Test func pingreqGoesOutWithinTheKeepAliveInterval() {
        var it = Scenario.online()
        #expect(it.advance(by: .milliseconds(44_999)) == [])
        #expect(it.advance(by: .milliseconds(1)) == [.send(.pingreq)])
        #expect(it.receive(.pingresp) == [])
        #expect(it.advance(by: .seconds(45)) == [.send(.pingreq)])
    }

    @Test func keepAliveZeroIsOff() {
        var it = Scenario.online { $0.keepAliveSeconds = 0 }
        #expect(it.session.deadline == nil)
        #expect(it.advance(by: .seconds(100_000)) == [])
    }

    @Test func aMissingPingrespIsASilence() {
        var it = Scenario.online()
        #expect(it.advance(by: .seconds(45)) == [.send(.pingreq)])
        #expect(it.advance(by: .milliseconds(9_999)) == [])
        #expect(it.advance(by: .milliseconds(1)) == [.hangUp(1), .offline(.silent(.pingresp))])
    }

    @Test func withoutAPauseTimeOutAMissingPingrespShowsAfterAnotherInterval() {
        var it = Scenario.online { $0.pauseTimeout = 0 }
        #expect(it.advance(by: .seconds(45)) == [.send(.pingreq)])
        let effects = it.advance(by: .seconds(60))
        #expect(effects.suffix(2) == [.hangUp(1), .offline(.silent(.pingresp))])
    }

    @Test func anythingReceivedCountsAgainstTheSilence() {
        var it = Scenario.online()
        it.advance(by: .seconds(45))
        for _ in 0..<10 {
            #expect(it.advance(by: .seconds(9)).filter { $0 != .send(.pingreq) } == [])
            it.receive(.atMostOnce)
        }
        #expect(it.advance(by: .seconds(10)).contains(.offline(.silent(.pingresp))))
    }

    @Test func aClientThatOnlySendsStillAsksWhetherTheBrokerIsThere() {
        var it = Scenario.online()
        for _ in 0..<9 {
            #expect(it.advance(by: .seconds(4)) == [])
            it.publish(.atMostOnce)
        }
        #expect(it.advance(by: .seconds(9)) == [.send(.pingreq)])
    }

    @Test func aClientThatPingsOftenStillNoticesASilentBroker() {
        var it = Scenario.online()
        var effects: [Effect] = []
        for ticket in 1...10 as ClosedRange<Ticket> {
            effects += it.on(.ping(ticket))
            effects += it.advance(by: .seconds(5))
        }
        #expect(effects.contains(.offline(.silent(.pingresp))))
    }

    @Test func pingreqGoesOutWhileReadingIsPaused() {
        var it = Scenario.online()
        it.on(.reading(false))
        var pings = 0
        for _ in 0..<20 {
            let effects = it.advance(by: .seconds(60))
            #expect(effects.filter { $0 != .send(.pingreq) } == [], "no silence counts while nothing is read")
            #expect(effects.contains(.send(.pingreq)), "the broker hears something in each keep-alive interval")
            pings += effects.count
        }
        it.on(.reading(true))
        for _ in 0..<pings { #expect(it.receive(.pingresp) == []) }
        #expect(it.advance(by: .milliseconds(9_999)).filter { $0 != .send(.pingreq) } == [])
        #expect(it.session.phase == .online(1))
    }

    @Test func pingreqGoesOutWhileItsAnswerQueuesBehindALongPacket() {
        var it = Scenario.online()
        var pings = 0
        for _ in 0..<300 {
            it.on(.received(midPacket: true))
            let effects = it.advance(by: .seconds(1))
            pings += effects.count
            #expect(effects.filter { $0 != .send(.pingreq) } == [])
        }
        #expect(pings >= 5, "300 seconds have five intervals of 60")
    }

    @Test func aPingIsAnsweredAfterReadingWasPaused() {
        var it = Scenario.online()
        it.on(.ping(1))
        it.on(.reading(false))
        #expect(it.advance(by: .seconds(30)) == [])
        it.on(.reading(true))
        #expect(it.advance(by: .milliseconds(9_999)) == [])
        #expect(it.receive(.pingresp) == [.resolved(1, .answered)])
    }

    @Test func aPingThatIsNotAnsweredAfterReadingWasPausedIsASilence() {
        var it = Scenario.online()
        it.on(.ping(1))
        it.on(.reading(false))
        it.advance(by: .seconds(30))
        it.on(.reading(true))
        #expect(it.advance(by: .seconds(10)) == [.hangUp(1), .resolved(1, .connectionLost), .offline(.silent(.pingresp))])
    }

    @Test func aPacketThatNeverEndsIsASilence() {
        var it = Scenario.online { $0.keepAliveSeconds = 0 }
        it.on(.received(midPacket: true))
        #expect(it.advance(by: .milliseconds(9_999)) == [])
        #expect(it.advance(by: .milliseconds(1)) == [.hangUp(1), .offline(.silent(.restOfPacket))])
    }

    @Test func aByteNowAndThenIsEnough() {
        var it = Scenario.online { $0.keepAliveSeconds = 0 }
        for _ in 0..<100 {
            it.on(.received(midPacket: true))
            #expect(it.advance(by: .milliseconds(9_999)) == [])
        }
        it.on(.received(midPacket: false))
        #expect(it.session.deadline == nil)
    }

    @Test func aPacketThatIsNotReadOnIsNoSilence() {
        var it = Scenario.online { $0.keepAliveSeconds = 0 }
        it.on(.received(midPacket: true))
        it.on(.reading(false))
        #expect(it.advance(by: .seconds(1_000)) == [])
        it.on(.reading(true))
        #expect(it.advance(by: .milliseconds(9_999)) == [])
        #expect(it.advance(by: .milliseconds(1)).contains(.offline(.silent(.restOfPacket))))
    }

    @Test func aConnectionThatTakesNoBytesIsASilence() {
        var it = Scenario.online { $0.keepAliveSeconds = 0 }
        it.isStalled = true
        it.publish(.atMostOnce)
        it.on(.written(pending: 100))
        #expect(it.advance(by: .seconds(9)) == [])
        it.on(.written(pending: 99))
        #expect(it.advance(by: .milliseconds(9_999)) == [])
        #expect(it.advance(by: .milliseconds(1)) == [.hangUp(1), .offline(.silent(.writing))])
    }

    @Test func whatIsWrittenToTheEndIsNoSilence() {
        var it = Scenario.online { $0.keepAliveSeconds = 0 }
        it.on(.written(pending: 100))
        it.on(.written(pending: 0))
        #expect(it.session.deadline == nil)
    }

    @Test func pauseTimeOutZeroWaitsForEver() {
        var it = Scenario {
            $0.pauseTimeout = 0
            $0.keepAliveSeconds = 0
        }
        it.open()
        #expect(it.session.deadline == nil)
        it.receive(.connack(sessionPresent: false, .success))
        it.on(.received(midPacket: true))
        it.on(.written(pending: 5))
        it.on(.ping(1))
        #expect(it.session.deadline == nil)
        #expect(it.advance(by: .seconds(1_000_000)) == [])
    }

    @Test func aNewLinkBeginsWithoutTheStateOfTheOldOne() {
        var it = Scenario.online()
        it.on(.received(midPacket: true))
        it.on(.reading(false))
        it.on(.written(pending: 5))
        it.on(.ping(1))
        it.reconnect(sessionPresent: true)
        #expect(it.advance(by: .milliseconds(44_999)) == [])
        #expect(it.advance(by: .milliseconds(1)) == [.send(.pingreq)])
    }

    @Test func aClockThatJumpedAsksFirst() {
        var it = Scenario.online()
        _ = it.advance(by: .seconds(44))
        var effects = Effects()
        it.session.step(.tick, at: it.now + Duration.seconds(10_000).nanoseconds, into: &effects)
        #expect(effects.list == [.send(.pingreq)])
    }

    @Test(arguments: [1, 2, 3, 60, 65_535] as [UInt16], [1, 1_000_000_000, 10_000_000_000] as [Int64])
    func ticksAtDeadlinesNeverLoop(keepAliveSeconds: UInt16, pauseTimeout: Int64) throws {
        var it = Scenario.online {
            $0.keepAliveSeconds = keepAliveSeconds
            $0.pauseTimeout = pauseTimeout
        }
        // Each tick at a deadline moves the deadline on, or there would be a busy loop.
        for _ in 0..<50 {
            let before = try #require(it.session.deadline)
            it.advance(by: .nanoseconds(before - it.now))
            if case .connecting = it.session.phase { it.open() }
            if case .handshaking = it.session.phase { it.receive(.connack(sessionPresent: true, .success)) }
            #expect(try #require(it.session.deadline) > it.now)
        }
    }
}
