// A durable session that goes on after the end of its process: order, identifiers, DUP, and what the broker still holds.
import MQTTCore
import Testing

struct ResumptionTests {
    /// A session that has not started, with a store.
    private func durable(firstSerial: Serial = 0, _ configure: (inout SessionConfiguration) -> Void = { _ in }) -> Scenario {
        var configuration = SessionConfiguration()
        configuration.isDurable = true
        configure(&configuration)
        var it = Scenario()
        it.session = Session(configuration, seed: 1, firstSerial: firstSerial)
        return it
    }

    private func publish(_ serial: Serial, _ qos: QoS, bytes: Int = 10, at seconds: Int64 = 0) -> ResumedPublish {
        ResumedPublish(serial, qos, bytes: bytes, acceptedAt: Instant(nanoseconds: seconds * 1_000_000_000))
    }

    @Test func publishesGoOnInOrderWithTheirIdentifiersAndDup() {
        var it = durable()
        for (serial, qos) in [(3, QoS.atLeastOnce), (4, .exactlyOnce), (9, .atLeastOnce)] as [(Serial, QoS)] {
            #expect(it.session.resume(publish(serial, qos)) == true)
        }
        #expect(it.session.outboundCount == 3 && it.session.outboundBase == 3 && it.session.outboundEnd == 10)
        #expect(it.connect(sessionPresent: true) == [.online(sessionPresent: true), .load(3), .load(4), .load(9)])
        #expect(it.on(.loaded(3)) == [.sendPublish(3, id(3), isDuplicate: true)])
        #expect(it.on(.loaded(9)) == [], "its turn comes behind 4")
        #expect(
            it.on(.loaded(4)) == [.sendPublish(4, id(4), isDuplicate: true), .sendPublish(9, id(9), isDuplicate: true)])
        #expect(it.receive(.puback(id(9))).contains(.completed(9, .acknowledged(.success))))
    }

    @Test func pubrelsGoFirstInTheOrderOfTheirPubrecs() {
        var it = durable()
        for serial in 0..<5 as Range<Serial> { #expect(it.session.resume(publish(serial, .exactlyOnce)) == true) }
        for serial in [4, 1, 3] as [Serial] { #expect(it.session.resumeReceived(serial) == true) }
        #expect(
            it.connect(sessionPresent: true) == [
                .online(sessionPresent: true), .send(.pubrel(id(4))), .send(.pubrel(id(1))), .send(.pubrel(id(3))), .load(0), .load(2),
            ])
        #expect(
            it.receive(.pubcomp(id(1))) == [.completed(1, .acknowledged(.success)), .store(.removePublish(1, isLazy: true), number: 1)])
        // Those that PUBREC came for in this run follow those of the runs before.
        it.on(.loaded(0))
        it.on(.loaded(2))
        it.receive(.pubrec(id(2)))
        it.receive(.pubrec(id(0)))
        it.on(.stored(upTo: 3))
        #expect(
            it.reconnect(sessionPresent: true).onTheWire == [4, 3, 2, 0].map { Effect.send(.pubrel(id($0))) })
    }

    @Test func aReceptionOfNothingOrOfQoS1IsNone() {
        var it = durable()
        #expect(it.session.resume(publish(0, .atLeastOnce)) == true)
        #expect(it.session.resumeReceived(0) == false)
        #expect(it.session.resumeReceived(1) == false)
        #expect(it.session.resume(publish(1, .atMostOnce)) == false)
        #expect(it.session.resume(publish(1, .exactlyOnce)) == true)
        #expect(it.session.resumeReceived(1) == true)
        #expect(it.session.resumeReceived(1) == false, "a second time")
    }

    @Test func theIdentifierOfALostPublishIsSetFree() {
        var it = durable()
        #expect(it.session.resume(publish(5, .exactlyOnce)) == true)
        #expect(it.session.resume(publish(8, .exactlyOnce)) == true)
        #expect(it.session.resumeReceived(8) == true)
        #expect(it.session.resumeGivenUp(6) == true)
        #expect(it.session.resumeGivenUp(2) == true)
        #expect(it.session.resumeGivenUp(5) == false, "it is there")
        #expect(it.session.outboundCount == 2 && !it.session.isUnfinished(6) && !it.session.isUnfinished(2))
        #expect(it.session.unfinished(in: 0 ..< .max, upTo: 100).map(\.serial) == [5, 8])
        #expect(
            it.connect(sessionPresent: true) == [
                .online(sessionPresent: true), .send(.pubrel(id(8))), .send(.pubrel(id(6))), .send(.pubrel(id(2))), .load(5),
            ])
        #expect(it.receive(.pubcomp(id(6))) == [.store(.removePublish(6, isLazy: true), number: 1)])
        #expect(it.receive(.pubcomp(id(2))) == [.store(.removePublish(2, isLazy: true), number: 2)])
    }

    @Test func aLossThatTheStoreDoesNotTellIsWrittenDownFirst() {
        var it = durable()
        #expect(it.session.resume(publish(5, .atLeastOnce)) == true)
        #expect(it.session.resumeGivenUp(6, isStored: false) == true)
        #expect(it.publish(.atLeastOnce) == [.store(.givenUp(6), number: 1), .accepted(7), .store(.publish(7), number: 2)])
        #expect(it.connect(sessionPresent: true) == [.online(sessionPresent: true), .load(5)])
        #expect(it.on(.stored(upTo: 2)) == [.send(.pubrel(id(6))), .stored(7)])
        #expect(it.receive(.pubcomp(id(6))) == [.store(.removePublish(6, isLazy: true), number: 3)])
    }

    @Test func aLostPublishOfALostSessionLeavesNothing() {
        var it = durable()
        #expect(it.session.resumeGivenUp(7) == true)
        #expect(
            it.connect(sessionPresent: false) == [.online(sessionPresent: false), .store(.removePublish(7, isLazy: true), number: 1)])
        #expect(it.publish(.atLeastOnce).first == .accepted(8))
    }

    @Test func numbersBeginBehindEverythingEverUsed() {
        var it = durable(firstSerial: 1_000)
        #expect(it.session.resume(publish(3, .atLeastOnce)) == true)
        #expect(it.session.resumeGivenUp(10) == true)
        it.session.resumeNumbering(at: 8)
        #expect(it.publish(.atLeastOnce).first == .accepted(11))
        var other = durable(firstSerial: 1_000)
        #expect(other.session.resume(publish(3, .atLeastOnce)) == true)
        other.session.resumeNumbering(at: 3 + 2_000)
        #expect(other.publish(.atLeastOnce).first == .accepted(2_003))
        #expect(other.on(.stored(upTo: 1)) == [.stored(2_003)])
        // Nothing between the two is taken for a publish.
        #expect(other.connect(sessionPresent: true) == [.online(sessionPresent: true), .load(3)])
        #expect(
            other.on(.loaded(3)) == [
                .sendPublish(3, id(3), isDuplicate: true), .sendPublish(2_003, id(2_003), isDuplicate: false),
            ])
        #expect(other.session.outboundCount == 2)
    }

    @Test func numbersThatAStoreInventedAreRefused() {
        var it = durable()
        #expect(it.session.resume(publish(1 << 62, .atLeastOnce)) == false)
        #expect(it.session.resume(publish(5, .atLeastOnce)) == true)
        #expect(it.session.resume(publish(5, .atLeastOnce)) == false)
        #expect(it.session.resume(publish(4, .atLeastOnce)) == false)
        #expect(it.session.resume(publish(1 << 40, .atLeastOnce)) == false)
        #expect(it.session.resumeGivenUp(1 << 40) == false)
        it.session.resumeNumbering(at: 1 << 40)
        #expect(it.publish(.atLeastOnce).first == .accepted(6))
    }

    @Test func nothingIsResumedOnceItHasStarted() {
        var it = durable()
        it.on(.start)
        #expect(it.session.resume(publish(0, .atLeastOnce)) == false)
        #expect(it.session.resumeReceived(0) == false)
        #expect(it.session.resumeGivenUp(0) == false)
        it.session.resumeInbound(7)
        it.session.resumeNumbering(at: 9)
        it.connect(sessionPresent: true)
        #expect(it.receive(.exactlyOnce, 7) == [.deliver(1)])
        #expect(it.publish(.atLeastOnce).first == .accepted(0))
    }

    @Test func aSessionThatTheBrokerLostIsReportedAndStoredBeforeItGoesOutAsNew() {
        var it = durable()
        for serial in 0..<3 as Range<Serial> {
            #expect(it.session.resume(publish(serial, serial == 2 ? .atLeastOnce : .exactlyOnce)) == true)
        }
        #expect(it.session.resumeReceived(0) == true)
        #expect(
            it.connect(sessionPresent: false) == [
                .online(sessionPresent: false), .sessionLost(0), .sessionLost(1), .store(.notReceived(0), number: 1), .load(0), .load(1),
                .load(2),
            ])
        for serial in 0..<3 as Range<Serial> { #expect(it.on(.loaded(serial)) == []) }
        #expect(
            it.on(.stored(upTo: 1)) == [
                .sendPublish(0, id(0), isDuplicate: false), .sendPublish(1, id(1), isDuplicate: true),
                .sendPublish(2, id(2), isDuplicate: true),
            ])
    }

    @Test func inboundIdentifiersOutliveTheProcess() {
        var it = durable()
        it.session.resumeInbound(7)
        it.session.resumeInbound(8)
        it.session.resumeInbound(0)
        it.connect(sessionPresent: true)
        #expect(it.receive(.exactlyOnce, 7) == [.discard, .send(.pubrec(7))])
        #expect(it.receive(.pubrel(7)) == [.store(.removeInbound(7), number: 1)])
        #expect(it.receive(.pubrel(8)) == [.store(.removeInbound(8), number: 2)])
        #expect(it.on(.stored(upTo: 2)) == [.send(.pubcomp(7)), .send(.pubcomp(8))])
        #expect(it.receive(.exactlyOnce, 7) == [.deliver(2)])
    }

    @Test func inboundIdentifiersGoWithTheBrokersSession() {
        var it = durable()
        it.session.resumeInbound(7)
        #expect(it.connect(sessionPresent: false) == [.online(sessionPresent: false), .store(.removeAllInbound, number: 1)])
        #expect(it.receive(.exactlyOnce, 7) == [.deliver(1)])
    }

    @Test func inFlightIsBoundedAfterARestartToo() {
        var it = durable {
            $0.limits.inFlight = 3
            $0.limits.exactlyOnceInFlight = 2
        }
        for serial in 0..<6 as Range<Serial> {
            #expect(it.session.resume(publish(serial, serial == 0 ? .atLeastOnce : .exactlyOnce)) == true)
        }
        it.connect(sessionPresent: true)
        var sent: [Effect] = []
        for serial in 0..<6 as Range<Serial> { sent += it.on(.loaded(serial)).onTheWire }
        #expect(sent == (0..<3).map { .sendPublish($0, id($0), isDuplicate: true) })
    }

    @Test func whatWasNotYetOnDiskWithAPubrecCountsAsInFlight() {
        var it = durable { $0.limits.exactlyOnceInFlight = 2 }
        it.connect()
        for _ in 0..<4 { it.publish(.exactlyOnce) }
        it.on(.stored(upTo: 4))
        it.receive(.pubrec(id(0)))
        it.receive(.pubrec(id(1)))
        // The broker counts both until PUBREL.
        #expect(it.reconnect(sessionPresent: true).onTheWire == [])
        #expect(it.on(.stored(upTo: 6)) == [.send(.pubrel(id(0))), .send(.pubrel(id(1)))])
        #expect(it.receive(.pubcomp(id(0))).onTheWire == [.sendPublish(2, id(2), isDuplicate: false)])
        #expect(it.receive(.pubcomp(id(1))).onTheWire == [.sendPublish(3, id(3), isDuplicate: false)])
    }

    @Test func aPublishThatWasGivenUpIsReleasedOnTheNextLinkHoweverLateThatIsStored() {
        var it = durable()
        it.connect()
        it.publish(.exactlyOnce)
        it.on(.stored(upTo: 1))
        let end = it.on(.abandon(0))
        #expect(end == [.completed(0, .withdrawn), .store(.givenUp(0), number: 2), .hangUp(1), .offline(.givenUp)])
        it.connect(sessionPresent: true)
        #expect(it.on(.stored(upTo: 2)) == [.send(.pubrel(id(0)))])
        #expect(it.receive(.pubcomp(id(0))) == [.store(.removePublish(0, isLazy: true), number: 3)])
    }

    @Test func nothingFollowsAPublishThatBreaksOff() {
        var it = durable()
        it.connect()
        it.publish(.exactlyOnce)
        it.on(.stored(upTo: 1))
        it.on(.abandon(0))
        #expect(it.on(.stored(upTo: 2)) == [], "the link on which it broke off has ended")
        #expect(it.connect(sessionPresent: true).onTheWire == [.send(.pubrel(id(0)))])
    }
}
