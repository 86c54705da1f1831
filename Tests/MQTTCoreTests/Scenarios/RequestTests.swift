// SUBSCRIBE, UNSUBSCRIBE and PINGREQ of the application.
import MQTTCore
import Testing

struct RequestTests {
    @Test func eachRequestIsAnsweredByItsOwnPacket() {
        var it = Scenario.online()
        #expect(it.on(.subscribe(10, filters: 2)) == [.sendSubscribe(10, 1)])
        #expect(it.on(.unsubscribe(11)) == [.sendUnsubscribe(11, 2)])
        #expect(it.on(.ping(12)) == [.send(.pingreq)])
        #expect(it.receive(.unsuback(2)) == [.resolved(11, .answered)])
        #expect(it.receive(.pingresp) == [.resolved(12, .answered)])
        #expect(it.receive(.suback(1, codes: 2)) == [.resolved(10, .answered)])
        #expect(it.receive(.suback(1, codes: 2)) == [])
        #expect(it.receive(.pingresp) == [])
    }

    @Test(arguments: [0, 1, 3]) func subackWithAnotherNumberOfCodesIsAViolation(codes: Int) {
        var it = Scenario.online()
        it.on(.subscribe(10, filters: 2))
        #expect(
            it.receive(.suback(1, codes: codes)) == [
                .hangUp(1), .resolved(10, .connectionLost), .offline(.violation(.subackCount)),
            ])
    }

    @Test func answersOfTheWrongKindAreIgnored() {
        var it = Scenario.online()
        it.on(.subscribe(10, filters: 1))
        it.on(.unsubscribe(11))
        #expect(it.receive(.unsuback(1)) == [])
        #expect(it.receive(.suback(2, codes: 1)) == [])
        #expect(it.receive(.suback(1, codes: 1)) == [.resolved(10, .answered)])
        #expect(it.receive(.unsuback(2)) == [.resolved(11, .answered)])
    }

    @Test func identifiersOfOpenRequestsAreSkipped() {
        var it = Scenario.online { $0.limits.requests = 16_383 }
        it.on(.subscribe(1, filters: 1))
        var last: PacketID = 1
        for ticket in 2...40_000 as ClosedRange<Ticket> {
            guard case .sendUnsubscribe(ticket, let packetID) = it.on(.unsubscribe(ticket)).first else {
                Issue.record("UNSUBSCRIBE \(ticket) was not sent")
                return
            }
            #expect(packetID == (last == 0x3FFF ? 2 : last + 1))
            #expect(it.receive(.unsuback(packetID)) == [.resolved(ticket, .answered)])
            last = packetID
        }
    }

    @Test func everyAllowedLimitLeavesAFreeIdentifier() throws {
        var limits = Limits()
        limits.requests = 16_383
        try limits.check()
        var it = Scenario.online { $0.limits = limits }
        var used: Set<PacketID> = []
        for ticket in 1...16_383 as ClosedRange<Ticket> {
            if case .sendUnsubscribe(_, let packetID) = it.on(.unsubscribe(ticket)).first { used.insert(packetID) }
        }
        #expect(used == Set(1...0x3FFF))
        #expect(it.on(.unsubscribe(20_000)) == [.resolved(20_000, .tooManyRequests)])
        limits.requests = 16_384
        #expect(throws: MQTTError.self, "the next request would look for a free identifier for ever") { try limits.check() }
    }

    @Test func tooManyRequestsAreRefused() {
        var it = Scenario.online { $0.limits.requests = 3 }
        it.on(.subscribe(1, filters: 1))
        it.on(.ping(2))
        it.on(.unsubscribe(3))
        #expect(it.on(.ping(4)) == [.resolved(4, .tooManyRequests)])
        #expect(it.on(.subscribe(5, filters: 1)) == [.resolved(5, .tooManyRequests)])
        it.receive(.pingresp)
        #expect(it.on(.ping(6)) == [.send(.pingreq)])
    }

    @Test func requestsWaitForTheAttemptUnderWay() {
        var it = Scenario()
        #expect(it.on(.subscribe(1, filters: 1)) == [])
        it.on(.start)
        #expect(it.on(.unsubscribe(2)) == [])
        it.on(.linkOpened(1))
        #expect(it.on(.ping(3)) == [])
        #expect(
            it.receive(.connack(sessionPresent: false, .success)) == [
                .online(sessionPresent: false), .sendSubscribe(1, 1), .sendUnsubscribe(2, 2), .send(.pingreq),
            ])
    }

    @Test func requestsAreDownFromTheFirstFailedAttemptUntilOneSucceeds() {
        var it = Scenario()
        it.on(.subscribe(1, filters: 1))
        it.open()
        #expect(it.cut() == [.attemptFailed(.closed), .resolved(1, .down)])
        #expect(it.on(.ping(2)) == [.resolved(2, .down)])
        it.open()
        #expect(it.on(.ping(3)) == [.resolved(3, .down)])
        it.receive(.connack(sessionPresent: false, .success))
        #expect(it.on(.ping(4)) == [.send(.pingreq)])
        it.cut()
        #expect(it.on(.ping(5)) == [], "an attempt follows, and none failed yet")
        #expect(it.connect().contains(.send(.pingreq)))
    }

    @Test func requestsNeedNotWait() {
        var it = Scenario { $0.requestsWait = false }
        #expect(it.on(.ping(1)) == [.resolved(1, .down)])
        it.on(.start)
        #expect(it.on(.ping(2)) == [.resolved(2, .down)])
    }

    @Test func theLossOfTheConnectionEndsWhatWasSent() {
        var it = Scenario.online()
        it.on(.subscribe(2, filters: 1))
        it.on(.unsubscribe(1))
        it.on(.ping(3))
        #expect(
            it.cut() == [.resolved(1, .connectionLost), .resolved(2, .connectionLost), .resolved(3, .connectionLost), .offline(.closed)])
        #expect(it.connect() == [.online(sessionPresent: false)], "nothing of it is sent again")
        #expect(it.receive(.suback(1, codes: 1)) == [])
    }

    @Test func cancelBeforeSentHasNoEffectLater() {
        var it = Scenario()
        it.on(.subscribe(1, filters: 1))
        it.on(.ping(2))
        #expect(it.on(.cancel(1)) == [.resolved(1, .canceled)])
        #expect(it.on(.cancel(1)) == [])
        #expect(it.connect() == [.online(sessionPresent: false), .send(.pingreq)])
    }

    @Test func cancelAfterSentAbandonsAndKeepsTheIdentifierInUse() {
        var it = Scenario.online { $0.limits.requests = 2 }
        it.on(.subscribe(1, filters: 1))
        #expect(it.on(.cancel(1)) == [.resolved(1, .abandoned)])
        #expect(it.on(.cancel(1)) == [])
        #expect(it.on(.subscribe(2, filters: 1)) == [.sendSubscribe(2, 2)])
        #expect(it.on(.subscribe(3, filters: 1)) == [.resolved(3, .tooManyRequests)])
        #expect(it.receive(.suback(1, codes: 1)) == [])
        #expect(it.on(.subscribe(4, filters: 1)) == [.sendSubscribe(4, 3)])
        #expect(it.receive(.suback(2, codes: 1)) == [.resolved(2, .answered)])
    }

    @Test func anAbandonedPingStillTakesItsAnswer() {
        var it = Scenario.online()
        it.on(.ping(1))
        it.on(.ping(2))
        #expect(it.on(.cancel(1)) == [.resolved(1, .abandoned)])
        #expect(it.receive(.pingresp) == [])
        #expect(it.receive(.pingresp) == [.resolved(2, .answered)])
    }

    @Test func anAbandonedRequestIsNotResolvedAgainByALoss() {
        var it = Scenario.online()
        it.on(.subscribe(1, filters: 1))
        it.on(.ping(2))
        it.on(.cancel(1))
        it.on(.cancel(2))
        #expect(it.cut() == [.offline(.closed)])
    }

    @Test func cancelOfNothingDoesNothing() {
        var it = Scenario.online()
        it.on(.subscribe(1, filters: 1))
        it.on(.ping(2))
        it.on(.cancel(1))
        it.on(.cancel(2))
        #expect(it.on(.cancel(0)) == [], "zero is nobody's")
        #expect(it.on(.cancel(99)) == [])
    }

    @Test func closeEndsWhatWaitsAndWhatWasSent() {
        var it = Scenario()
        it.on(.ping(1))
        #expect(it.on(.close) == [.resolved(1, .closed), .ended(.local)])
        it = Scenario.online()
        it.on(.ping(1))
        it.on(.subscribe(2, filters: 1))
        #expect(it.on(.close) == [.hangUp(1), .resolved(2, .closed), .resolved(1, .closed), .ended(.local)])
    }
}
