// A session with a store: nothing is said before what it promises is on disk.
import MQTTCore
import Testing

struct DurableTests {
    private static func online(_ configure: (inout SessionConfiguration) -> Void = { _ in }) -> Scenario {
        Scenario.online {
            $0.isDurable = true
            configure(&$0)
        }
    }

    @Test func aPublishThatWasGivenUpIsReleasedOnTheNextLink() {
        var it = DurableTests.online()
        for _ in 0..<2 { it.publish(.exactlyOnce) }
        it.on(.stored(upTo: 2))
        it.receive(.pubrec(id(0)))
        let end = it.on(.abandon(1))
        #expect(end == [.completed(1, .withdrawn), .store(.givenUp(1), number: 4), .hangUp(1), .offline(.givenUp)])
        #expect(it.receive(.pubrec(id(1))) == [], "PUBREL would go out ahead of the one before [MQTT-4.6.0-4]")
        #expect(it.on(.stored(upTo: 4)) == [])
        let released = it.connect(sessionPresent: true)
        #expect(released.onTheWire == [.send(.pubrel(id(0))), .send(.pubrel(id(1)))])
    }

    @Test func aPublishIsStoredBeforeItIsSent() {
        var it = DurableTests.online()
        #expect(it.publish(.atLeastOnce) == [.accepted(0), .store(.publish(0), number: 1)])
        #expect(it.publish(.exactlyOnce) == [.accepted(1), .store(.publish(1), number: 2)])
        #expect(it.on(.stored(upTo: 0)) == [])
        #expect(it.on(.stored(upTo: 1)) == [.stored(0), .sendPublish(0, id(0), isDuplicate: false)])
        #expect(it.on(.stored(upTo: 2)) == [.stored(1), .sendPublish(1, id(1), isDuplicate: false)])
        #expect(it.on(.stored(upTo: 2)) == [])
    }

    @Test func aGroupOfCommitsIsReportedAtOnce() {
        var it = DurableTests.online()
        for _ in 0..<3 { it.publish(.atLeastOnce) }
        #expect(it.on(.stored(upTo: 3)) == (0..<3).map { .stored($0) } + (0..<3).map { .sendPublish($0, id($0), isDuplicate: false) })
    }

    @Test func whatIsNotStoredIsNotSentAfterAReconnectEither() {
        var it = DurableTests.online()
        it.publish(.atLeastOnce)
        it.on(.stored(upTo: 1))
        it.publish(.atLeastOnce)
        #expect(it.reconnect(sessionPresent: true).onTheWire == [.sendPublish(0, id(0), isDuplicate: true)])
        #expect(it.on(.stored(upTo: 2)) == [.stored(1), .sendPublish(1, id(1), isDuplicate: false)])
    }

    @Test func pubrecIsStoredBeforePubrel() {
        var it = DurableTests.online()
        it.publish(.exactlyOnce)
        it.on(.stored(upTo: 1))
        #expect(it.receive(.pubrec(id(0))) == [.store(.received(0), number: 2)])
        #expect(it.receive(.pubrec(id(0))) == [], "it is being stored")
        #expect(it.on(.stored(upTo: 2)) == [.send(.pubrel(id(0)))])
        #expect(
            it.receive(.pubcomp(id(0))) == [.completed(0, .acknowledged(.success)), .store(.removePublish(0, isLazy: true), number: 3)])
    }

    @Test func pubrecStoredBetweenLinksIsFollowedByPubrelOnTheNext() {
        var it = DurableTests.online()
        it.publish(.exactlyOnce)
        it.on(.stored(upTo: 1))
        it.receive(.pubrec(id(0)))
        it.cut()
        #expect(it.on(.stored(upTo: 2)) == [])
        #expect(it.connect(sessionPresent: true) == [.online(sessionPresent: true), .send(.pubrel(id(0)))])
    }

    @Test func pubrecStoredAfterTheNextConnackIsFollowedByPubrelThen() {
        var it = DurableTests.online()
        it.publish(.exactlyOnce)
        it.on(.stored(upTo: 1))
        it.receive(.pubrec(id(0)))
        #expect(it.reconnect(sessionPresent: true) == [.online(sessionPresent: true)])
        #expect(it.on(.stored(upTo: 2)) == [.send(.pubrel(id(0)))])
    }

    @Test func aLostSessionIsStoredBeforeThePublishGoesOutAsANewMessage() {
        var it = DurableTests.online()
        it.publish(.exactlyOnce)
        it.publish(.atLeastOnce)
        it.on(.stored(upTo: 2))
        it.receive(.pubrec(id(0)))
        // The commit of PUBREC is still under way when the broker has forgotten it.
        #expect(
            it.reconnect(sessionPresent: false) == [.online(sessionPresent: false), .sessionLost(0), .store(.notReceived(0), number: 4)])
        #expect(it.on(.stored(upTo: 3)) == [])
        #expect(
            it.on(.stored(upTo: 4)) == [.sendPublish(0, id(0), isDuplicate: false), .sendPublish(1, id(1), isDuplicate: true)])
    }

    @Test func anInboundIdentifierIsStoredBeforePubrecAndRemovedBeforePubcomp() {
        var it = DurableTests.online()
        #expect(it.receive(.exactlyOnce, 7) == [.deliver(1)])
        #expect(it.on(.release(1)) == [.store(.inbound(7), number: 1)])
        #expect(it.on(.stored(upTo: 1)) == [.send(.pubrec(7))])
        #expect(it.receive(.exactlyOnce, 7) == [.discard, .send(.pubrec(7))])
        #expect(it.receive(.pubrel(7)) == [.store(.removeInbound(7), number: 2)])
        #expect(it.receive(.pubrel(7)) == [], "PUBCOMP is on its way")
        #expect(it.on(.stored(upTo: 2)) == [.send(.pubcomp(7))])
        #expect(it.receive(.pubrel(7)) == [.send(.pubcomp(7))])
    }

    @Test func atLeastOnceInboundNeedsNoStore() {
        var it = DurableTests.online()
        it.receive(.atLeastOnce, 7)
        #expect(it.on(.release(1)) == [.send(.puback(7))])
    }

    @Test func pubrelBeforePubrecRemovesTheIdentifierFromTheStoreToo() {
        var it = DurableTests.online()
        it.receive(.exactlyOnce, 7)
        #expect(it.receive(.pubrel(7)) == [])
        #expect(it.on(.release(1)) == [.store(.inbound(7), number: 1)])
        #expect(it.on(.stored(upTo: 1)) == [.send(.pubrec(7)), .store(.removeInbound(7), number: 2)])
        #expect(it.on(.stored(upTo: 2)) == [.send(.pubcomp(7))])
    }

    @Test func sessionPresentZeroRemovesInboundIdentifiersFromTheStore() {
        var it = DurableTests.online()
        it.receive(.exactlyOnce, 7)
        it.on(.release(1))
        it.on(.stored(upTo: 1))
        #expect(it.reconnect(sessionPresent: false) == [.online(sessionPresent: false), .store(.removeAllInbound, number: 2)])
        #expect(it.receive(.exactlyOnce, 7) == [.deliver(2)])
    }

    @Test func theCommitOfAForgottenIdentifierDoesNotConfirmItsSuccessor() {
        var it = DurableTests.online()
        it.receive(.exactlyOnce, 7)
        #expect(it.on(.release(1)) == [.store(.inbound(7), number: 1)])
        it.reconnect(sessionPresent: false)  // commit 2 removes it
        #expect(it.receive(.exactlyOnce, 7) == [.deliver(2)])
        #expect(it.on(.release(2)) == [.store(.inbound(7), number: 3)])
        #expect(it.on(.stored(upTo: 1)) == [])
        #expect(it.on(.stored(upTo: 2)) == [])
        #expect(it.on(.stored(upTo: 3)) == [.send(.pubrec(7))])
    }

    @Test func anIdentifierStoredBetweenLinksIsARepetitionAfterwards() {
        var it = DurableTests.online()
        it.receive(.exactlyOnce, 7)
        it.on(.release(1))
        it.cut()
        #expect(it.on(.stored(upTo: 1)) == [])
        it.connect(sessionPresent: true)
        #expect(it.receive(.exactlyOnce, 7) == [.discard, .send(.pubrec(7))])
    }

    @Test func aRemovalCutOffByALossIsDoneAgainWithPubrel() {
        var it = DurableTests.online()
        it.receive(.exactlyOnce, 7)
        it.on(.release(1))
        it.on(.stored(upTo: 1))
        it.receive(.pubrel(7))
        it.reconnect(sessionPresent: true)
        #expect(it.on(.stored(upTo: 2)) == [])
        #expect(it.receive(.pubrel(7)) == [.store(.removeInbound(7), number: 3)])
        #expect(it.on(.stored(upTo: 3)) == [.send(.pubcomp(7))])
    }

    @Test func aWithdrawnPublishIsRemovedFromTheStore() {
        var it = DurableTests.online()
        it.publish(.atLeastOnce)
        #expect(it.on(.withdraw(0)) == [.completed(0, .withdrawn), .store(.removePublish(0, isLazy: false), number: 2)])
        #expect(it.on(.stored(upTo: 2)) == [])
    }

    @Test func commitsThatWereNeverMadeConfirmNothing() {
        var it = DurableTests.online()
        #expect(it.on(.stored(upTo: 100)) == [])
        #expect(it.publish(.atLeastOnce) == [.accepted(0), .store(.publish(0), number: 1)])
        #expect(it.on(.stored(upTo: 1)) == [.stored(0), .sendPublish(0, id(0), isDuplicate: false)])
    }

    @Test func commitsThatEndAfterDisconnectSendNothing() {
        var it = DurableTests.online()
        it.publish(.exactlyOnce)
        it.on(.stored(upTo: 1))
        it.receive(.exactlyOnce, 7)
        it.on(.release(1))
        it.on(.stored(upTo: 2))
        it.receive(.exactlyOnce, 8)
        // A publish, PUBREC of another, an inbound identifier and the removal of one are on their way to the disk.
        it.publish(.atLeastOnce)
        it.receive(.pubrec(id(0)))
        it.on(.release(2))
        it.receive(.pubrel(7))
        it.on(.disconnect(1))
        #expect(it.on(.stored(upTo: 100)) == [.stored(1)])
    }

    @Test func aBigMessageIsNotStoredAsReceivedBeforeItIsWhole() {
        var it = DurableTests.online()
        it.receive(.exactlyOnce, 7, isComplete: false)
        #expect(it.on(.release(1)) == [])
        #expect(it.on(.payloadCompleted) == [.store(.inbound(7), number: 1)])
        #expect(it.on(.stored(upTo: 1)) == [.send(.pubrec(7))])
    }
}
