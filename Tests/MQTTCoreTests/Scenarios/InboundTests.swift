// Messages of the broker: handed over before acknowledged, in the order of their arrival, QoS 2 once.
import MQTTCore
import Testing

struct InboundTests {
    @Test func atMostOnceIsDeliveredAndNotAnswered() {
        var it = Scenario.online()
        #expect(it.receive(.atMostOnce) == [.deliver(0)])
        #expect(it.on(.release(0)) == [])
    }

    @Test func atLeastOnceIsAcknowledgedWhenReleased() {
        var it = Scenario.online()
        #expect(it.receive(.atLeastOnce, 7) == [.deliver(1)])
        #expect(it.on(.release(1)) == [.send(.puback(7))])
        #expect(it.on(.release(1)) == [])
        #expect(it.receive(.atLeastOnce, 7) == [.deliver(2)], "after PUBACK the identifier is that of a new message")
    }

    @Test func exactlyOnceIsReceivedWhenReleasedAndCompleteWithPubrel() {
        var it = Scenario.online()
        #expect(it.receive(.exactlyOnce, 7) == [.deliver(1)])
        #expect(it.on(.release(1)) == [.send(.pubrec(7))])
        #expect(it.receive(.pubrel(7)) == [.send(.pubcomp(7))])
        #expect(it.receive(.exactlyOnce, 7) == [.deliver(2)], "after PUBCOMP the identifier is that of a new message")
    }

    @Test func releasesOutOfOrderAreAnsweredInOrder() {
        var it = Scenario.online()
        it.receive(.exactlyOnce, 1)
        it.receive(.atLeastOnce, 2)
        it.receive(.exactlyOnce, 3)
        it.receive(.atLeastOnce, 4)
        #expect(it.on(.release(3)) == [])
        #expect(it.on(.release(2)) == [])
        #expect(it.on(.release(1)) == [.send(.pubrec(1)), .send(.puback(2)), .send(.pubrec(3))])
        #expect(it.on(.release(4)) == [.send(.puback(4))])
    }

    @Test func aDuplicateAfterPubrecIsAnsweredAndDropped() {
        var it = Scenario.online()
        it.receive(.exactlyOnce, 7)
        it.on(.release(1))
        for _ in 0..<3 { #expect(it.receive(.exactlyOnce, 7) == [.discard, .send(.pubrec(7))]) }
        #expect(it.receive(.pubrel(7)) == [.send(.pubcomp(7))])
    }

    @Test func aDuplicateWhileTheFirstIsUnreleasedIsDroppedAndAnsweredBehindIt() {
        var it = Scenario.online()
        it.receive(.exactlyOnce, 7)
        #expect(it.receive(.exactlyOnce, 7) == [.discard])
        #expect(it.on(.release(1)) == [.send(.pubrec(7)), .send(.pubrec(7))])
    }

    @Test func aDuplicateOnTheNextLinkWhileTheFirstIsUnreleasedIsAnsweredOnceItIsReleased() {
        var it = Scenario.online()
        it.receive(.exactlyOnce, 7)
        it.reconnect(sessionPresent: true)
        #expect(it.receive(.exactlyOnce, 7) == [.discard])
        #expect(it.on(.release(1)) == [.send(.pubrec(7))])
        #expect(it.receive(.pubrel(7)) == [.send(.pubcomp(7))])
    }

    @Test func aDuplicateOfWhatWasReleasedBetweenLinksIsAnsweredAtOnce() {
        var it = Scenario.online()
        it.receive(.exactlyOnce, 7)
        it.cut()
        #expect(it.on(.release(1)) == [])
        it.connect(sessionPresent: true)
        #expect(it.receive(.exactlyOnce, 7) == [.discard, .send(.pubrec(7))])
    }

    @Test func releasesOfAnOldLinkSendNothing() {
        var it = Scenario.online()
        it.receive(.atLeastOnce, 1)
        it.receive(.exactlyOnce, 2)
        it.reconnect(sessionPresent: true)
        #expect(it.on(.release(1)) == [])
        #expect(it.on(.release(2)) == [])
        // The broker sends the QoS 1 message again: it has a receipt of its own.
        #expect(it.receive(.atLeastOnce, 1) == [.deliver(3)])
        #expect(it.on(.release(1)) == [])
        #expect(it.on(.release(3)) == [.send(.puback(1))])
    }

    @Test func sessionPresentZeroForgetsInboundIdentifiers() {
        var it = Scenario.online()
        it.receive(.exactlyOnce, 7)
        it.on(.release(1))
        it.receive(.exactlyOnce, 8)
        it.reconnect(sessionPresent: false)
        #expect(it.receive(.exactlyOnce, 7) == [.deliver(3)], "a new message, not a duplicate")
        #expect(it.receive(.exactlyOnce, 8) == [.deliver(4)])
        #expect(it.on(.release(2)) == [], "the message of the lost session is not this one")
        #expect(it.on(.release(3)) == [.send(.pubrec(7))])
        #expect(it.on(.release(4)) == [.send(.pubrec(8))])
    }

    @Test func receptionOfExactlyOnceOutlivesTheConnection() {
        var it = Scenario.online()
        it.receive(.exactlyOnce, 7)
        it.on(.release(1))
        for _ in 0..<3 {
            it.reconnect(sessionPresent: true)
            #expect(it.receive(.exactlyOnce, 7) == [.discard, .send(.pubrec(7))])
        }
        it.reconnect(sessionPresent: true)
        #expect(it.receive(.pubrel(7)) == [.send(.pubcomp(7))])
        #expect(it.receive(.pubrel(7)) == [.send(.pubcomp(7))], "the broker may have missed PUBCOMP")
    }

    @Test func pubrelOfNothingIsAnswered() {
        var it = Scenario.online()
        #expect(it.receive(.pubrel(7)) == [.send(.pubcomp(7))])
        #expect(it.session.phase == .online(1))
    }

    @Test func pubrelBeforePubrecIsAnsweredBehindIt() {
        var it = Scenario.online()
        it.receive(.exactlyOnce, 7)
        #expect(it.receive(.pubrel(7)) == [])
        #expect(it.on(.release(1)) == [.send(.pubrec(7)), .send(.pubcomp(7))])
        #expect(it.receive(.exactlyOnce, 7) == [.deliver(3)])
    }

    /// Found by scripts/fuzz session.
    @Test func pubrelsBeforePubrecDoNotAcknowledgeTheNextMessage() {
        var it = Scenario.online()
        it.receive(.exactlyOnce, 7)
        it.receive(.exactlyOnce, 9)
        #expect(it.receive(.pubrel(7)) == [])
        #expect(it.receive(.pubrel(7)) == [])
        #expect(it.on(.release(1)) == [.send(.pubrec(7))])
        #expect(it.receive(.pubrel(7)) == [], "PUBCOMP waits behind the message before")
        #expect(it.on(.release(2)) == [.send(.pubrec(9)), .send(.pubcomp(7))])
        #expect(it.receive(.pubrel(7)) == [.send(.pubcomp(7))])
        it.receive(.exactlyOnce, 11)
        #expect(it.receive(.exactlyOnce, 7) == [.deliver(5)])
        let last = it.session.nextReceipt - 1
        #expect(it.on(.release(last - 1)) == [.send(.pubrec(11))], "7 is not released")
        #expect(it.on(.release(last)) == [.send(.pubrec(7))])
    }

    @Test func theTwoDirectionsShareNoIdentifiers() {
        var it = Scenario.online()
        it.publish(.exactlyOnce)
        #expect(it.receive(.exactlyOnce, id(0)) == [.deliver(1)])
        #expect(it.receive(.pubrec(id(0))) == [.send(.pubrel(id(0)))])
        #expect(it.on(.release(1)) == [.send(.pubrec(id(0)))])
        #expect(it.receive(.pubrel(id(0))) == [.send(.pubcomp(id(0)))])
        #expect(it.receive(.pubcomp(id(0))) == [.completed(0, .acknowledged(.success))])
    }

    // MARK: Messages whose payload is still arriving

    @Test(arguments: [(QoS.atLeastOnce, ControlPacket.puback(7)), (.exactlyOnce, .pubrec(7))])
    func aMessageIsNotAcknowledgedBeforeItIsWhole(qos: QoS, acknowledgement: ControlPacket) {
        var it = Scenario.online()
        #expect(it.receive(qos, 7, isComplete: false) == [.deliver(1)])
        #expect(it.on(.release(1)) == [])
        #expect(it.on(.payloadCompleted) == [.send(acknowledgement)])
    }

    @Test(arguments: [QoS.atLeastOnce, .exactlyOnce])
    func aMessageThatBrokeOffIsDeliveredAgain(qos: QoS) {
        var it = Scenario.online()
        it.receive(qos, 7, isComplete: false)
        it.reconnect(sessionPresent: true)
        #expect(it.on(.release(1)) == [])
        #expect(it.receive(qos, 7) == [.deliver(2)])
        #expect(it.on(.release(1)) == [])
        #expect(it.on(.release(2)).count == 1)
    }

    @Test(arguments: [QoS.atLeastOnce, .exactlyOnce])
    func aMessageThatBrokeOffAfterItsReleaseIsDeliveredAgain(qos: QoS) {
        var it = Scenario.online()
        it.receive(qos, 7, isComplete: false)
        #expect(it.on(.release(1)) == [])
        it.reconnect(sessionPresent: true)
        #expect(it.receive(qos, 7) == [.deliver(2)], "it was never received, so it cannot be a repetition")
        #expect(it.on(.release(2)).count == 1)
    }

    @Test func aRepetitionThatBreaksOffStaysARepetition() {
        var it = Scenario.online()
        it.receive(.exactlyOnce, 7)
        it.on(.release(1))
        #expect(it.receive(.exactlyOnce, 7, isComplete: false) == [.discard])
        it.reconnect(sessionPresent: true)
        #expect(it.receive(.exactlyOnce, 7, isComplete: false) == [.discard])
        #expect(it.on(.payloadCompleted) == [.send(.pubrec(7))])
    }

    @Test func anIncompleteMessageHoldsBackNoOlderAcknowledgement() {
        var it = Scenario.online()
        it.receive(.atLeastOnce, 1)
        it.receive(.atLeastOnce, 2, isComplete: false)
        #expect(it.on(.release(1)) == [.send(.puback(1))])
        it.on(.release(2))
        #expect(it.on(.payloadCompleted) == [.send(.puback(2))])
    }

    @Test func aFloodOfRepetitionsIsAViolation() {
        var it = Scenario.online()
        it.receive(.exactlyOnce, 7)
        for _ in 1..<65_535 { #expect(it.receive(.exactlyOnce, 7) == [.discard]) }
        #expect(it.receive(.exactlyOnce, 7) == [.hangUp(1), .offline(.violation(.identifiersExhausted))])
        it.connect(sessionPresent: true)
        for _ in 0..<65_535 { it.receive(.exactlyOnce, 8) }
        #expect(it.receive(.pubrel(8)) == [.hangUp(2), .offline(.violation(.identifiersExhausted))])
    }
}
