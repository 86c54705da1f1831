// From the first attempt to CONNACK, and from a loss to the next attempt.
import MQTTCore
import Testing

struct ConnectingTests {
    @Test func startDialsAndAnOpenLinkSaysConnect() {
        var it = Scenario()
        #expect(it.on(.start) == [.dial(1)])
        #expect(it.session.phase == .connecting(1))
        #expect(it.on(.linkOpened(1)) == [.sendConnect(cleanSession: false)])
        #expect(it.session.phase == .handshaking(1))
        #expect(it.receive(.connack(sessionPresent: false, .success)) == [.online(sessionPresent: false)])
        #expect(it.session.phase == .online(1))
    }

    @Test func startTwiceDialsOnce() {
        var it = Scenario()
        it.on(.start)
        #expect(it.on(.start) == [])
        it.connect()
        #expect(it.on(.start) == [])
    }

    @Test func cleanSessionIsAskedForUntilOneIsAccepted() {
        var it = Scenario { $0.cleanSession = true }
        #expect(it.open() == [.sendConnect(cleanSession: true)])
        it.cut()
        #expect(it.open() == [.sendConnect(cleanSession: true)])
        it.receive(.connack(sessionPresent: false, .serverUnavailable))
        #expect(it.open() == [.sendConnect(cleanSession: true)])
        it.receive(.connack(sessionPresent: false, .success))
        it.cut()
        #expect(it.open() == [.sendConnect(cleanSession: false)])
        it.cut()
        #expect(it.open() == [.sendConnect(cleanSession: false)])
    }

    @Test func withoutAnIdentifierEverySessionIsClean() {
        var it = Scenario { $0.alwaysCleanSession = true }
        #expect(it.open() == [.sendConnect(cleanSession: true)])
        it.receive(.connack(sessionPresent: false, .success))
        it.cut()
        #expect(it.open() == [.sendConnect(cleanSession: true)])
    }

    @Test(arguments: 1...5) func connackRefusedGoesToTheMaximumBackOff(code: UInt8) throws {
        var it = Scenario()
        it.open()
        let refusal = LinkLoss.refused(ReasonCode(rawValue: code))
        #expect(it.receive(.connack(sessionPresent: false, ReasonCode(rawValue: code))) == [.hangUp(1), .attemptFailed(refusal)])
        let pause = try #require(it.pause)
        #expect(.seconds(30)...(.seconds(60)) ~= pause)
    }

    @Test func afterARefusalTheBackOffStaysLongUntilAConnectionWasStable() throws {
        var it = Scenario()
        it.open()
        it.receive(.connack(sessionPresent: false, .notAuthorized))
        it.open()
        it.cut()
        #expect(try #require(it.pause) >= .seconds(30))
        it.connect()
        it.advance(by: .seconds(5))
        it.cut()
        #expect(it.pause == .milliseconds(100))
    }

    @Test func aBrokerThatKicksAtOnceIsNotHammered() throws {
        var it = Scenario()
        for _ in 0..<12 {
            it.connect()
            it.advance(by: .milliseconds(4_999))
            it.cut()
        }
        #expect(try #require(it.pause) >= .seconds(30))
        it.connect()
        it.advance(by: .seconds(5))
        it.cut()
        #expect(it.pause == .milliseconds(100))
    }

    @Test func aFirstAttemptThatFailsMayBeTheEnd() {
        var it = Scenario { $0.retriesFirstConnect = false }
        it.on(.start)
        #expect(it.cut().filter { $0 != .hangUp(1) } == [.attemptFailed(.closed), .ended(.closed)])
        #expect(it.session.phase == .ended)
        #expect(it.session.deadline == nil)
    }

    @Test func aLaterAttemptThatFailsIsNotTheEnd() {
        var it = Scenario { $0.retriesFirstConnect = false }
        it.connect()
        #expect(it.cut() == [.offline(.closed)])
        it.open()
        #expect(it.cut() == [.attemptFailed(.closed)])
        #expect(it.pause != nil)
    }

    @Test func whatCarriesAnOldLinkNumberIsIgnored() {
        var it = Scenario.online()
        it.cut()
        it.connect()
        #expect(it.link == 2)
        #expect(it.on(.linkClosed(1)) == [])
        #expect(it.on(.linkOpened(1)) == [])
        #expect(it.on(.linkOpened(2)) == [])
        #expect(it.session.phase == .online(2))
    }

    @Test func sessionPresentAfterACleanSessionIsAViolation() {
        var it = Scenario { $0.cleanSession = true }
        it.open()
        #expect(
            it.receive(.connack(sessionPresent: true, .success)) == [
                .hangUp(1), .attemptFailed(.violation(.sessionPresentAfterClean)),
            ])
        #expect(it.open() == [.sendConnect(cleanSession: true)])
    }

    @Test(arguments: [
        InboundPacket.pingresp, .puback(0x4000), .publish(InboundPublish(qos: .atMostOnce)), .suback(1, codes: 1),
    ])
    func anythingAheadOfConnackIsAViolation(packet: InboundPacket) {
        var it = Scenario()
        it.open()
        #expect(it.receive(packet) == [.hangUp(1), .attemptFailed(.violation(.connackMissing))])
    }

    @Test func aSecondConnackIsAViolation() {
        var it = Scenario.online()
        #expect(it.receive(.connack(sessionPresent: false, .success)) == [.hangUp(1), .offline(.violation(.connackRepeated))])
    }

    @Test func aMissingConnackIsASilence() {
        var it = Scenario()
        it.open()
        #expect(it.advance(by: .milliseconds(9_999)) == [])
        #expect(it.advance(by: .milliseconds(1)) == [.hangUp(1), .attemptFailed(.silent(.connack))])
    }

    @Test func packetsWithoutALinkAreIgnored() {
        var it = Scenario()
        #expect(it.receive(.puback(0x4000)) == [])
        it.on(.start)
        #expect(it.receive(.pingresp) == [])
        it.cut()
        #expect(it.receive(.connack(sessionPresent: false, .success)) == [])
        #expect(it.on(.violation(.malformedText)) == [])
        it.on(.close)
        #expect(it.receive(.exactlyOnce, 1) == [])
    }

    @Test func theViolationOfAPacketEndsTheConnectionAndAnotherFollows() {
        var it = Scenario.online()
        #expect(it.on(.violation(.reservedQoS)) == [.hangUp(1), .offline(.violation(.reservedQoS))])
        #expect(it.advance(by: .milliseconds(100)) == [.dial(2)])
    }

    @Test func endingTheSessionEndsEverything() {
        var it = Scenario.online()
        it.publish(.atLeastOnce)
        #expect(it.on(.close) == [.hangUp(1), .ended(.local)])
        #expect(it.on(.close) == [])
        for event: Event in [
            .start, .linkOpened(1), .linkClosed(1), .tick, .received(midPacket: true), .stored(upTo: 9), .payloadCompleted,
        ] {
            #expect(it.on(event) == [])
        }
        #expect(it.publish(.atMostOnce) == [.refused(.closed)])
        #expect(it.publish(.exactlyOnce) == [.refused(.closed)])
        #expect(it.on(.subscribe(3, filters: 1)) == [.resolved(3, .closed)])
        #expect(it.session.deadline == nil)
    }
}
