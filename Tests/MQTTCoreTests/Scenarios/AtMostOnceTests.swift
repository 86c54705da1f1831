// What the driver knows of QoS 0 without a step: `Phase.passesAtMostOnce`.
import MQTTCore
import Testing

struct AtMostOnceTests {
    /// A session in each phase, with things under way.
    static let sessions: [(String, Scenario)] = {
        var online = Scenario.online()
        online.receive(.exactlyOnce, 7)
        online.publish(.exactlyOnce)
        online.publish(.atLeastOnce)
        online.receive(.atLeastOnce, 8, isComplete: false)
        var waiting = online
        waiting.cut()
        var handshaking = waiting
        handshaking.open()
        var leaving = online
        leaving.on(.disconnect(1))
        var ended = online
        ended.on(.close)
        return [
            ("idle", Scenario()), ("online", Scenario.online()), ("at work", online), ("waiting", waiting), ("handshaking", handshaking),
            ("leaving", leaving), ("ended", ended),
        ]
    }()

    @Test(arguments: sessions.indices)
    func theAnswerOfAStepIsThatOfThePhaseAndNothingElseHappens(index: Int) {
        let (name, session) = Self.sessions[index]
        var it = session
        let passes = it.session.phase.passesAtMostOnce
        let sent = it.on(.publish(qos: .atMostOnce, queuedBytes: 10))
        if passes { #expect(sent == [.transmit], "\(name)") } else { #expect(!sent.contains(.transmit), "\(name)") }
        #expect(it.session == session.session, "\(name): a publish of QoS 0 changed the session")
        for isComplete in [true, false] {
            var it = session
            let packet = InboundPacket.publish(InboundPublish(qos: .atMostOnce, isComplete: isComplete))
            let received = it.on(.packet(packet))
            if passes {
                #expect(received == [.deliver(0)], "\(name)")
                #expect(it.session == session.session, "\(name): a message of QoS 0 changed the session")
            } else {
                #expect(!received.contains { if case .deliver = $0 { true } else { false } }, "\(name)")
            }
        }
    }
}
