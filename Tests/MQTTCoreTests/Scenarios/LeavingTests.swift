// DISCONNECT, and what comes after it: nothing.
import MQTTCore
import Testing

struct LeavingTests {
    @Test func disconnectIsSentAndTheConnectionClosedBehindIt() {
        var it = Scenario.online()
        #expect(it.on(.disconnect(7)) == [.send(.disconnect), .hangUpAfterFlush(1)])
        #expect(it.session.phase == .leaving(1))
        #expect(it.cut().filter { $0 != .hangUp(1) } == [.resolved(7, .done), .ended(.local)])
        #expect(it.session.phase == .ended)
    }

    @Test func nothingFollowsDisconnect() {
        var it = Scenario.online()
        it.receive(.exactlyOnce, 9)
        it.receive(.atLeastOnce, 10)
        it.on(.disconnect(7))
        #expect(it.on(.release(1)) == [])
        #expect(it.on(.release(2)) == [])
        #expect(it.receive(.atLeastOnce, 11) == [])
        #expect(it.receive(.pubrel(9)) == [])
        #expect(it.receive(.pubrec(0x4000)) == [])
        #expect(it.publish(.atMostOnce) == [.refused(.closed)])
        #expect(it.publish(.atLeastOnce) == [.refused(.closed)])
        #expect(it.on(.ping(8)) == [.resolved(8, .closed)])
        #expect(it.advance(by: .seconds(300)) == [])
    }

    @Test func disconnectEndsWhatWaitsForAnAnswer() {
        var it = Scenario.online()
        it.on(.subscribe(1, filters: 1))
        it.on(.ping(2))
        #expect(it.on(.disconnect(7)) == [.resolved(1, .closed), .resolved(2, .closed), .send(.disconnect), .hangUpAfterFlush(1)])
    }

    @Test func withoutAConnectionDisconnectSaysSoAndEndsTheSession() {
        var it = Scenario()
        #expect(it.on(.disconnect(7)) == [.resolved(7, .down), .ended(.local)])
        it = Scenario()
        it.open()
        #expect(it.on(.disconnect(7)) == [.resolved(7, .down), .hangUp(1), .ended(.local)])
        it = Scenario.online()
        it.cut()
        #expect(it.on(.disconnect(7)) == [.resolved(7, .down), .ended(.local)])
        #expect(it.session.deadline == nil)
    }

    @Test func disconnectIsIdempotent() {
        var it = Scenario.online()
        it.on(.disconnect(7))
        #expect(it.on(.disconnect(8)) == [.resolved(8, .closed)])
        #expect(it.cut().filter { $0 != .hangUp(1) } == [.resolved(7, .done), .ended(.local)])
        #expect(it.on(.disconnect(9)) == [.resolved(9, .closed)])
    }

    @Test func aDisconnectThatCannotBeWrittenIsGivenUp() {
        var it = Scenario.online()
        it.isStalled = true
        it.on(.disconnect(7))
        it.on(.written(pending: 2))
        #expect(it.advance(by: .seconds(10)).filter { $0 != .hangUp(1) } == [.resolved(7, .done), .ended(.local)])
    }

    @Test func closeWhileLeavingEndsAtOnce() {
        var it = Scenario.online()
        it.on(.disconnect(7))
        #expect(it.on(.close) == [.hangUp(1), .resolved(7, .done), .ended(.local)])
    }
}
