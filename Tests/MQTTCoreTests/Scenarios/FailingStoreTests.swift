// What a store that cannot be written does to each flow.
import MQTTCore
import Testing

struct FailingStoreTests {
    private func online() -> Scenario { Scenario.online { $0.isDurable = true } }

    @Test func whatIsNotStoredIsTakenBackAndRemovedBehindItself() {
        var it = online()
        it.publish(.atLeastOnce)
        it.publish(.exactlyOnce)
        #expect(
            it.on(.storeFailed) == [
                .completed(0, .notStored), .store(.removePublish(0, isLazy: false), number: 3),
                .completed(1, .notStored), .store(.removePublish(1, isLazy: false), number: 4),
            ])
        #expect(it.on(.storeFailed) == [], "they are gone")
        #expect(it.on(.stored(upTo: 4)) == [])
        #expect(it.session.outboundCount == 0)
    }

    @Test func nothingIsAcceptedUntilSomethingWasStored() {
        var it = online()
        it.publish(.atLeastOnce)
        it.on(.storeFailed)
        #expect(it.publish(.atLeastOnce) == [.refused(.notStored)])
        #expect(it.publish(.exactlyOnce) == [.refused(.notStored)])
        #expect(it.publish(.atMostOnce) == [.transmit])
        it.on(.stored(upTo: 2))
        #expect(it.publish(.atLeastOnce) == [.accepted(1), .store(.publish(1), number: 3)])
    }

    @Test func aFlushThatGoesWellAgainIsEnough() {
        var it = online()
        it.publish(.atLeastOnce)
        it.on(.stored(upTo: 1))
        it.on(.storeFailed)
        #expect(it.publish(.atLeastOnce) == [.refused(.notStored)])
        it.on(.stored(upTo: 1))
        #expect(it.publish(.atLeastOnce).first == .accepted(1))
    }

    @Test func flowsUnderWayWaitAndGoOn() {
        var it = online()
        it.publish(.exactlyOnce)
        it.publish(.atLeastOnce)
        it.on(.stored(upTo: 2))
        it.receive(.exactlyOnce, 7)
        it.receive(.exactlyOnce, 8)
        it.on(.release(1))
        it.on(.stored(upTo: 3))
        it.receive(.pubrec(id(0)))
        it.receive(.pubrel(7))
        it.on(.release(2))
        #expect(it.on(.storeFailed) == [], "nothing of this is taken back")
        #expect(it.receive(.puback(id(1))) == [.completed(1, .acknowledged(.success)), .store(.removePublish(1, isLazy: true), number: 7)])
        #expect(it.on(.storeFailed) == [])
        #expect(it.on(.stored(upTo: 7)) == [.send(.pubrel(id(0))), .send(.pubcomp(7)), .send(.pubrec(8))])
    }

    @Test func aLostSessionWaitsForTheStoreBeforeItGoesOutAgain() {
        var it = online()
        it.publish(.exactlyOnce)
        it.on(.stored(upTo: 1))
        it.receive(.pubrec(id(0)))
        it.on(.stored(upTo: 2))
        it.reconnect(sessionPresent: false)
        #expect(it.on(.storeFailed) == [])
        #expect(it.reconnect(sessionPresent: true).onTheWire == [])
        #expect(it.on(.stored(upTo: 3)) == [.sendPublish(0, id(0), isDuplicate: false)])
    }

    @Test func whatWasWithdrawnOrEvictedIsNotTakenBackAgain() {
        var it = Scenario { $0.isDurable = true }
        it.publish(.atLeastOnce)
        it.publish(.atLeastOnce)
        it.publish(.atLeastOnce)
        it.on(.withdraw(0))
        it.on(.evict(1))
        #expect(it.on(.storeFailed) == [.completed(2, .notStored), .store(.removePublish(2, isLazy: false), number: 6)])
    }

    @Test func afterTheEndTheStoreSaysNothingAnyMore() {
        var it = online()
        it.publish(.atLeastOnce)
        it.on(.close)
        #expect(it.on(.storeFailed) == [] && it.on(.stored(upTo: 1)) == [] && it.on(.unreadable(0)) == [] && it.on(.loaded(0)) == [])
    }
}
