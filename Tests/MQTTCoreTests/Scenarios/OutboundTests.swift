// Publishes of the application: acceptance, acknowledgement, resending.
import MQTTCore
import Testing

struct OutboundTests {
    @Test func atLeastOnceIsCompleteWithPuback() {
        var it = Scenario.online()
        #expect(it.publish(.atLeastOnce) == [.accepted(0), .sendPublish(0, 0x4000, isDuplicate: false)])
        #expect(it.receive(.puback(0x4000)) == [.completed(0, .acknowledged(.success))])
        #expect(it.reconnect(sessionPresent: true) == [.online(sessionPresent: true)])
    }

    @Test func exactlyOnceIsCompleteWithPubcomp() {
        var it = Scenario.online()
        #expect(it.publish(.exactlyOnce) == [.accepted(0), .sendPublish(0, 0x4000, isDuplicate: false)])
        #expect(it.receive(.pubrec(0x4000)) == [.send(.pubrel(0x4000))])
        #expect(it.receive(.pubcomp(0x4000)) == [.completed(0, .acknowledged(.success))])
        #expect(it.reconnect(sessionPresent: true) == [.online(sessionPresent: true)])
    }

    @Test func atMostOnceIsTransmittedOnlineAndRefusedOffline() {
        var it = Scenario()
        #expect(it.publish(.atMostOnce) == [.refused(.down)])
        it.open()
        #expect(it.publish(.atMostOnce) == [.refused(.down)])
        it.receive(.connack(sessionPresent: false, .success))
        #expect(it.publish(.atMostOnce) == [.transmit])
        it.cut()
        #expect(it.publish(.atMostOnce) == [.refused(.down)])
    }

    @Test func acceptedOfflineGoesOutInOrderAfterConnack() {
        var it = Scenario()
        #expect(it.publish(.atLeastOnce) == [.accepted(0)])
        it.on(.start)
        #expect(it.publish(.exactlyOnce) == [.accepted(1)])
        it.on(.linkOpened(1))
        #expect(it.publish(.atLeastOnce) == [.accepted(2)])
        #expect(
            it.receive(.connack(sessionPresent: false, .success)) == [
                .online(sessionPresent: false),
                .sendPublish(0, id(0), isDuplicate: false), .sendPublish(1, id(1), isDuplicate: false),
                .sendPublish(2, id(2), isDuplicate: false),
            ])
    }

    @Test func resendsKeepOrderIdentifiersAndLevelsAndHaveDup() {
        var it = Scenario.online()
        for qos in [QoS.atLeastOnce, .exactlyOnce, .atLeastOnce, .exactlyOnce] { it.publish(qos) }
        it.receive(.puback(id(2)))
        for _ in 0..<3 {
            #expect(
                it.reconnect(sessionPresent: true) == [
                    .online(sessionPresent: true), .sendPublish(0, id(0), isDuplicate: true),
                    .sendPublish(1, id(1), isDuplicate: true), .sendPublish(3, id(3), isDuplicate: true),
                ])
        }
    }

    @Test func pubrelsAreResentFirstInTheOrderOfTheirPubrecs() {
        var it = Scenario.online()
        for _ in 0..<4 { it.publish(.exactlyOnce) }
        it.receive(.pubrec(id(3)))
        it.receive(.pubrec(id(1)))
        #expect(
            it.reconnect(sessionPresent: true) == [
                .online(sessionPresent: true), .send(.pubrel(id(3))), .send(.pubrel(id(1))),
                .sendPublish(0, id(0), isDuplicate: true), .sendPublish(2, id(2), isDuplicate: true),
            ])
        #expect(it.receive(.pubcomp(id(1))) == [.completed(1, .acknowledged(.success))])
        #expect(it.receive(.pubcomp(id(3))) == [.completed(3, .acknowledged(.success))])
    }

    @Test func pubrecAfterAResendIsAnsweredOnce() {
        var it = Scenario.online()
        it.publish(.exactlyOnce)
        it.reconnect(sessionPresent: true)
        #expect(it.receive(.pubrec(id(0))) == [.send(.pubrel(id(0)))])
        #expect(it.receive(.pubcomp(id(0))) == [.completed(0, .acknowledged(.success))])
        #expect(it.receive(.pubcomp(id(0))) == [])
    }

    @Test func aRepeatedPubrecIsAnsweredAgain() {
        var it = Scenario.online()
        it.publish(.exactlyOnce)
        it.receive(.pubrec(id(0)))
        #expect(it.receive(.pubrec(id(0))) == [.send(.pubrel(id(0)))])
        #expect(it.receive(.pubcomp(id(0))) == [.completed(0, .acknowledged(.success))])
        #expect(it.receive(.pubrec(id(0))) == [])
    }

    @Test func sessionPresentZeroSendsWhatHadNoPubrecAgainUnderItsIdentifier() {
        var it = Scenario.online()
        it.publish(.atLeastOnce)
        it.publish(.exactlyOnce)
        #expect(
            it.reconnect(sessionPresent: false) == [
                .online(sessionPresent: false), .sessionLost(1), .sendPublish(0, id(0), isDuplicate: true),
                .sendPublish(1, id(1), isDuplicate: true),
            ], "QoS 2 is affected: nobody knows whether the first PUBLISH arrived")
    }

    @Test func sessionPresentZeroSendsWhatWasPastPubrecAsANewMessageInItsPlace() {
        var it = Scenario.online()
        for _ in 0..<3 { it.publish(.exactlyOnce) }
        it.receive(.pubrec(id(1)))
        #expect(
            it.reconnect(sessionPresent: false) == [
                .online(sessionPresent: false), .sessionLost(0), .sessionLost(1), .sessionLost(2),
                .sendPublish(0, id(0), isDuplicate: true), .sendPublish(1, id(1), isDuplicate: false),
                .sendPublish(2, id(2), isDuplicate: true),
            ])
        #expect(it.receive(.pubcomp(id(1))) == [])
        #expect(it.receive(.pubrec(id(1))) == [.send(.pubrel(id(1)))])
        #expect(it.receive(.pubcomp(id(1))) == [.completed(1, .acknowledged(.success))])
    }

    @Test func eachLossOfTheSessionIsReportedForWhatWasOnTheWire() {
        var it = Scenario.online { $0.limits.inFlight = 2 }
        it.publish(.exactlyOnce)
        it.publish(.atLeastOnce)
        it.publish(.exactlyOnce)
        it.receive(.pubrec(id(0)))
        for isDuplicate in [false, true, true] {
            #expect(
                it.reconnect(sessionPresent: false) == [
                    .online(sessionPresent: false), .sessionLost(0), .sendPublish(0, id(0), isDuplicate: isDuplicate),
                    .sendPublish(1, id(1), isDuplicate: true),
                ])
        }
    }

    @Test func acknowledgementsOutOfOrderCompleteTheirOwn() {
        var it = Scenario.online()
        for _ in 0..<3 { it.publish(.atLeastOnce) }
        #expect(it.receive(.puback(id(2))) == [.completed(2, .acknowledged(.success))])
        #expect(it.receive(.puback(id(1))) == [.completed(1, .acknowledged(.success))])
        #expect(it.receive(.puback(id(1))) == [])
        #expect(it.reconnect(sessionPresent: true).onTheWire == [.sendPublish(0, id(0), isDuplicate: true)])
        #expect(it.receive(.puback(id(0))) == [.completed(0, .acknowledged(.success))])
    }

    @Test func unknownAndMistypedAcknowledgementsAreIgnored() {
        var it = Scenario.online()
        it.publish(.atLeastOnce)
        it.publish(.exactlyOnce)
        for packet: InboundPacket in [
            .puback(1), .puback(id(1)), .puback(id(2)), .puback(0xFFFF), .pubrec(id(0)), .pubrec(3), .pubrec(id(7)), .pubcomp(id(0)),
            .pubcomp(id(1)), .pubcomp(9), .suback(2, codes: 1), .unsuback(id(0)), .suback(id(0), codes: 1), .pingresp,
        ] {
            #expect(it.receive(packet) == [], "\(packet)")
        }
        #expect(it.session.phase == .online(1))
        #expect(it.receive(.puback(id(0))) == [.completed(0, .acknowledged(.success))])
    }

    @Test func placesInFlightBoundWhatIsOnTheWireNotWhatIsAccepted() {
        var it = Scenario.online { $0.limits.inFlight = 2 }
        it.publish(.atLeastOnce)
        it.publish(.exactlyOnce)
        #expect(it.publish(.atLeastOnce) == [.accepted(2)])
        #expect(it.publish(.exactlyOnce) == [.accepted(3)])
        #expect(it.receive(.pubrec(id(1))) == [.send(.pubrel(id(1)))])
        #expect(it.receive(.pubcomp(id(1))) == [.completed(1, .acknowledged(.success)), .sendPublish(2, id(2), isDuplicate: false)])
        #expect(it.receive(.puback(id(0))) == [.completed(0, .acknowledged(.success)), .sendPublish(3, id(3), isDuplicate: false)])
    }

    @Test func theTailOfAResumeSurvivesADropInBetween() {
        var it = Scenario.online { $0.limits.inFlight = 2 }
        for _ in 0..<5 { it.publish(.atLeastOnce) }
        for _ in 0..<4 {
            #expect(
                it.reconnect(sessionPresent: true).onTheWire == [
                    .sendPublish(0, id(0), isDuplicate: true), .sendPublish(1, id(1), isDuplicate: true),
                ])
        }
        #expect(it.receive(.puback(id(0))).onTheWire == [.sendPublish(2, id(2), isDuplicate: false)])
        #expect(it.receive(.puback(id(1))).onTheWire == [.sendPublish(3, id(3), isDuplicate: false)])
        #expect(
            it.reconnect(sessionPresent: true).onTheWire == [
                .sendPublish(2, id(2), isDuplicate: true), .sendPublish(3, id(3), isDuplicate: true),
            ])
        #expect(it.receive(.puback(id(3))).onTheWire == [.sendPublish(4, id(4), isDuplicate: false)])
    }

    @Test func publishingNeverHangsAfterManyAcknowledgements() {
        var it = Scenario.online { $0.limits.inFlight = 3 }
        for serial in 0..<200_000 as Range<Serial> {
            #expect(it.publish(.atLeastOnce).last == .sendPublish(serial, id(serial), isDuplicate: false))
            #expect(it.receive(.puback(id(serial))) == [.completed(serial, .acknowledged(.success))])
        }
    }

    @Test func anIdentifierInUseIsNeverIssuedAgain() {
        var it = Scenario.online {
            $0.limits.atLeastOnce = 200_000
            $0.limits.inFlight = PublishID.count
        }
        // The first stays open, all others are acknowledged: the ring ends where its identifier would come again.
        it.publish(.atLeastOnce)
        for serial in 1..<Serial(PublishID.count) {
            #expect(it.publish(.atLeastOnce).count == 2)
            it.receive(.puback(id(serial)))
        }
        let next = Serial(PublishID.count)
        #expect(id(next) == id(0))
        #expect(it.publish(.atLeastOnce) == [.accepted(next)])
        #expect(it.receive(.puback(id(0))) == [.completed(0, .acknowledged(.success)), .sendPublish(next, id(0), isDuplicate: false)])
    }

    @Test func aFullQueueRefusesByLevelAndByBytes() {
        var it = Scenario.online {
            $0.limits.atLeastOnce = 2
            $0.limits.exactlyOnce = 0
            $0.limits.queuedBytes = 100
        }
        #expect(it.publish(.exactlyOnce) == [.refused(.disabled)])
        #expect(it.publish(.atLeastOnce, bytes: 101) == [.refused(.tooManyRequests)])
        #expect(it.publish(.atLeastOnce, bytes: 60).first == .accepted(0))
        #expect(it.publish(.atLeastOnce, bytes: 41) == [.refused(.tooManyRequests)])
        #expect(it.publish(.atLeastOnce, bytes: 40).first == .accepted(1))
        #expect(it.publish(.atLeastOnce, bytes: 0) == [.refused(.tooManyRequests)])
        it.receive(.puback(id(1)))
        #expect(it.publish(.atLeastOnce, bytes: 41) == [.refused(.tooManyRequests)])
        #expect(it.publish(.atLeastOnce, bytes: 40).first == .accepted(2))
    }

    @Test func aPublishThatWasNeverSentCanBeTakenBackOnce() {
        var it = Scenario.online { $0.limits.inFlight = 1 }
        for _ in 0..<3 { it.publish(.exactlyOnce) }
        #expect(it.on(.withdraw(0)) == [])
        #expect(it.on(.withdraw(1)) == [.completed(1, .withdrawn)])
        #expect(it.on(.withdraw(1)) == [])
        #expect(it.on(.withdraw(99)) == [])
        it.receive(.pubrec(id(0)))
        #expect(it.receive(.pubcomp(id(0))).onTheWire == [.sendPublish(2, id(2), isDuplicate: false)])
    }

    @Test func aPublishThatWentOutOnAnEarlierLinkCannotBeTakenBack() {
        var it = Scenario.online()
        it.publish(.atLeastOnce)
        it.publish(.exactlyOnce)
        it.receive(.pubrec(id(1)))
        it.cut()
        #expect(it.on(.withdraw(0)) == [])
        #expect(it.on(.withdraw(1)) == [])
    }

    @Test func aPublishWhoseSessionWasLostCannotBeTakenBackForItMayHaveArrived() {
        var it = Scenario.online { $0.limits.inFlight = 2 }
        for _ in 0..<5 { it.publish(.exactlyOnce) }
        it.receive(.pubrec(id(1)))
        it.reconnect(sessionPresent: true)
        it.receive(.pubrec(id(2)))
        it.reconnect(sessionPresent: true)
        // 0 and 3 have the places in flight, PUBRELs of 1 and 2 take none. Now 1 and 2 begin anew, and 2 has to wait for a place.
        #expect(it.reconnect(sessionPresent: false).contains(.sessionLost(2)))
        #expect(it.on(.withdraw(2)) == [])
        #expect(it.on(.withdraw(4)) == [.completed(4, .withdrawn)])
    }

    @Test func withdrawingTheOldestLetsOthersGoOn() {
        var it = Scenario()
        for _ in 0..<3 { it.publish(.atLeastOnce) }
        #expect(it.on(.withdraw(0)) == [.completed(0, .withdrawn)])
        #expect(it.connect().onTheWire == [.sendPublish(1, id(1), isDuplicate: false), .sendPublish(2, id(2), isDuplicate: false)])
        #expect(it.receive(.puback(id(0))) == [])
    }

    @Test func exactlyOnceHasPlacesOfItsOwnInFlight() {
        var it = Scenario.online { $0.limits.exactlyOnceInFlight = 1 }
        it.publish(.exactlyOnce)
        #expect(it.publish(.exactlyOnce) == [.accepted(1)])
        #expect(it.publish(.atLeastOnce) == [.accepted(2)], "one order for both levels")
        it.receive(.pubrec(id(0)))
        #expect(
            it.receive(.pubcomp(id(0))) == [
                .completed(0, .acknowledged(.success)), .sendPublish(1, id(1), isDuplicate: false),
                .sendPublish(2, id(2), isDuplicate: false),
            ])
    }

    @Test func aPublishWithoutItsPayloadIsAbandonedBeforePubrecOnly() {
        var it = Scenario.online { $0.limits.inFlight = 3 }
        for _ in 0..<3 { it.publish(.exactlyOnce) }
        it.receive(.pubrec(id(0)))
        #expect(it.on(.abandon(0)) == [])
        #expect(it.on(.abandon(1)) == [.completed(1, .withdrawn), .hangUp(1), .offline(.givenUp)])
        #expect(it.on(.abandon(1)) == [])
        #expect(it.on(.abandon(9)) == [])
        #expect(it.on(.abandon(2)) == [.completed(2, .withdrawn)])
        // The broker may have got either PUBLISH: their exchanges are ended for the sake of their identifiers.
        let pubrels = (0..<3 as Range<Serial>).map { Effect.send(.pubrel(id($0))) }
        #expect(it.connect(sessionPresent: true) == [.online(sessionPresent: true)] + pubrels)
        #expect(it.receive(.pubcomp(id(1))) == [], "the application knows its end")
        #expect(it.receive(.pubcomp(id(0))) == [.completed(0, .acknowledged(.success))])
        for serial in 3..<6 as Range<Serial> {
            #expect(it.publish(.atLeastOnce) == [.accepted(serial), .sendPublish(serial, id(serial), isDuplicate: false)])
        }
        #expect(it.publish(.atLeastOnce) == [.accepted(6)])
        it.cut()
        #expect(it.connect(sessionPresent: false).filter { $0 == .sessionLost(2) || $0 == .completed(2, .withdrawn) } == [])
        #expect(it.reconnect(sessionPresent: true).contains(.send(.pubrel(id(2)))) == false)
    }

    @Test func anAbandonedPublishEndsWithTheSessionThatKnewIt() {
        var it = Scenario.online()
        it.publish(.exactlyOnce)
        it.publish(.atLeastOnce)
        #expect(it.on(.abandon(0)) == [.completed(0, .withdrawn), .hangUp(1), .offline(.givenUp)])
        #expect(it.on(.abandon(1)) == [.completed(1, .withdrawn)])
        #expect(it.connect(sessionPresent: false) == [.online(sessionPresent: false)])
        #expect(it.reconnect(sessionPresent: true) == [.online(sessionPresent: true)])
    }

    @Test func nothingIsSentBetweenLinks() {
        var it = Scenario.online()
        it.cut()
        #expect(it.publish(.atLeastOnce) == [.accepted(0)])
        #expect(it.on(.tick).onTheWire == [])
        #expect(it.receive(.puback(id(0))) == [])
        #expect(it.on(.withdraw(0)) == [.completed(0, .withdrawn)])
    }
}
