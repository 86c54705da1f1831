import MQTTTesting
import Testing

/// What the broker sends to clients, and how it judges their acknowledgements.
@Suite("Broker model: messages to clients")
struct ModelOutboundTests {
    /// A client on connection 1 that subscribed to everything at QoS 2.
    func subscribed(
        _ configure: (inout BrokerConfiguration) -> Void = { _ in }, faults: ConnectionFaults = ConnectionFaults()
    ) -> ModelBench {
        let bench = ModelBench(configure)
        bench.openPersistent(1, "a", faults: faults)
        bench.feed(1, "82 06 00 01 00 01 '#' 02")
        _ = bench.take(1)
        return bench
    }

    func publish(_ bench: ModelBench, _ payload: String, qos: UInt8) {
        bench.model.publish(
            BrokerMessage(topic: bytes("'t'"), payload: Array(payload.utf8), qos: qos, retain: false), at: bench.now)
    }

    @Test("Exchanges at each QoS run to their end")
    func exchanges() {
        let bench = subscribed()
        for qos in [0, 1, 2] as [UInt8] { publish(bench, "\(qos)", qos: qos) }
        #expect(bench.take(1) == bytes("30 04 00 01 't' '0' 32 06 00 01 't' 00 01 '1' 34 06 00 01 't' 00 02 '2'"))
        bench.feed(1, "40 02 00 01 50 02 00 02")
        #expect(bench.take(1) == bytes("62 02 00 02"))
        #expect(bench.model.pendingCount(of: "a") == 1)
        bench.feed(1, "70 02 00 02")
        #expect(bench.model.pendingCount(of: "a") == 0)
        #expect(bench.statements == [])
        #expect(bench.suspected == [])
    }

    @Test("What is unfinished comes again with DUP, in order, PUBREL too [MQTT-4.4.0-1], [MQTT-4.6.0-1]")
    func resend() {
        let bench = subscribed()
        for (payload, qos) in [("a", 1), ("b", 2), ("c", 2), ("d", 1)] as [(String, UInt8)] { publish(bench, payload, qos: qos) }
        bench.feed(1, "50 02 00 02")
        bench.close(1)
        // While away QoS 1 and 2 wait [MQTT-3.1.2-5], QoS 0 does not.
        publish(bench, "e", qos: 1)
        publish(bench, "f", qos: 0)
        _ = bench.take(1)
        #expect(bench.openPersistent(2, "a"))
        #expect(
            bench.take(2)
                == bytes(
                    "3A 06 00 01 't' 00 01 'a' 62 02 00 02 3C 06 00 01 't' 00 03 'c' 3A 06 00 01 't' 00 04 'd' 32 06 00 01 't' 00 05 'e'"
                ))
        bench.feed(2, "40 02 00 01 70 02 00 02 50 02 00 03 40 02 00 04 40 02 00 05 70 02 00 03")
        #expect(bench.model.pendingCount(of: "a") == 0)
        #expect(bench.statements == [])
        #expect(bench.suspected == [])
    }

    @Test("The window bounds what is in flight, the queue what waits; the rest is dropped and counted")
    func bounds() {
        let bench = subscribed {
            $0.inFlightLimit = 2
            $0.queueLimit = 3
        }
        for payload in ["a", "b", "c", "d", "e", "f", "g"] { publish(bench, payload, qos: 1) }
        #expect(bench.take(1) == bytes("32 06 00 01 't' 00 01 'a' 32 06 00 01 't' 00 02 'b'"))
        #expect(bench.model.losses.droppedByQueueLimit == 2)
        bench.feed(1, "40 02 00 01 40 02 00 02")
        #expect(bench.take(1) == bytes("32 06 00 01 't' 00 03 'c' 32 06 00 01 't' 00 04 'd'"))
        bench.feed(1, "40 02 00 03")
        #expect(bench.take(1) == bytes("32 06 00 01 't' 00 05 'e'"))
    }

    @Test("Bytes that are not written hold back further messages; QoS 0 waits in a bound of its own")
    func unsent() {
        let bench = subscribed {
            $0.unsentLimit = 30
            $0.queueLimit = 2
        }
        bench.model.written(9, to: BrokerModel.ConnectionID(1), at: 0)
        for payload in ["a", "b", "c", "d", "e", "f", "g", "h"] { publish(bench, payload, qos: 0) }
        #expect(bench.take(1).count == 5 * 6)
        #expect(bench.model.losses.droppedAtMostOnce == 1)
        bench.model.written(30, to: BrokerModel.ConnectionID(1), at: 0)
        #expect(bench.take(1) == bytes("30 04 00 01 't' 'f' 30 04 00 01 't' 'g'"))
    }

    @Test(
        "Acknowledgements come in the order of the messages [MQTT-4.6.0-2], [MQTT-4.6.0-3], and by their QoS [MQTT-3.3.4-1]",
        arguments: [
            ("40 02 00 02", "MQTT-4.6.0-2"), ("50 02 00 04", "MQTT-4.6.0-3"), ("50 02 00 01", "MQTT-3.3.4-1"),
            ("40 02 00 03", "MQTT-3.3.4-1"), ("70 02 00 03", "MQTT-4.3.3-2"),
        ])
    func order(packet: String, statement: String) {
        let bench = subscribed()
        for qos in [1, 1, 2, 2] as [UInt8] { publish(bench, "x", qos: qos) }
        bench.feed(1, packet)
        #expect(bench.statements == [statement])
        #expect(bench.closed == [1])
    }

    @Test("Acknowledgements that belong to nothing are suspicious and do no harm", arguments: ["40", "50", "70"])
    func unknown(type: String) {
        let bench = subscribed()
        bench.feed(1, "\(type) 02 00 09")
        #expect(bench.suspected == ["MQTT-2.3.1-6"])
        #expect(bench.closed == [])
        #expect(bench.take(1) == (type == "50" ? bytes("62 02 00 09") : []))
        if type == "50" {
            bench.feed(1, "70 02 00 09")
            #expect(bench.suspected.count == 1)
        }
    }

    @Test("An acknowledgement for what this connection has not carried yet is none")
    func early() {
        let bench = subscribed { $0.unsentLimit = 10 }
        bench.model.written(9, to: BrokerModel.ConnectionID(1), at: 0)
        publish(bench, "a", qos: 1)
        bench.model.written(8, to: BrokerModel.ConnectionID(1), at: 0)
        publish(bench, "b", qos: 1)
        bench.close(1)
        bench.openPersistent(2, "a")
        #expect(bench.take(2) == bytes("3A 06 00 01 't' 00 01 'a'"))
        bench.feed(2, "40 02 00 02")
        #expect(bench.suspected == ["MQTT-2.3.1-6"])
        bench.model.written(12, to: BrokerModel.ConnectionID(2), at: 0)
        #expect(bench.take(2) == bytes("3A 06 00 01 't' 00 02 'b'"))
    }

    @Test("Identifiers in use are skipped when they come round [MQTT-2.3.1-4]")
    func identifiersComeRound() {
        let bench = subscribed()
        publish(bench, "x", qos: 2)
        _ = bench.take(1)
        for id in 2...65_535 {
            publish(bench, "", qos: 1)
            bench.model.received([0x40, 2, UInt8(id >> 8), UInt8(id & 0xFF)], from: BrokerModel.ConnectionID(1), at: 0)
        }
        _ = bench.take(1)
        publish(bench, "y", qos: 1)
        #expect(bench.take(1) == bytes("32 06 00 01 't' 00 02 'y'"))
        #expect(bench.statements == [])
    }

    @Test("Deliveries that the broker repeats may be acknowledged twice")
    func repeated() {
        var faults = ConnectionFaults()
        faults.duplicatesEvery = 2
        let bench = subscribed(faults: faults)
        publish(bench, "a", qos: 1)
        publish(bench, "b", qos: 2)
        publish(bench, "c", qos: 0)
        publish(bench, "d", qos: 0)
        #expect(
            bench.take(1)
                == bytes(
                    "32 06 00 01 't' 00 01 'a' 34 06 00 01 't' 00 02 'b' 3C 06 00 01 't' 00 02 'b'"
                        + "30 04 00 01 't' 'c' 30 04 00 01 't' 'd' 30 04 00 01 't' 'd'"
                ))
        bench.feed(1, "40 02 00 01 50 02 00 02 50 02 00 02 70 02 00 02 70 02 00 02")
        #expect(bench.take(1) == bytes("62 02 00 02 62 02 00 02"))
        publish(bench, "e", qos: 1)
        #expect(bench.duplicate("a"))
        #expect(bench.take(1) == bytes("32 06 00 01 't' 00 03 'e' 3A 06 00 01 't' 00 03 'e'"))
        bench.feed(1, "40 02 00 03 40 02 00 03")
        #expect(!bench.duplicate("a"))
        #expect(bench.suspected == [])
        #expect(bench.statements == [])
    }

    @Test("PINGREQ is answered [MQTT-3.12.4-1], raw bytes pass, faults can be set later")
    func operate() {
        let bench = subscribed()
        bench.feed(1, "C0 00")
        #expect(bench.raw("F0 00", to: "a"))
        #expect(bench.take(1) == bytes("D0 00 F0 00"))
        var faults = ConnectionFaults()
        faults.answersPings = false
        bench.model.setFaults(faults, for: "a")
        bench.feed(1, "C0 00")
        #expect(bench.take(1) == [])
        bench.model.disconnect("a", at: 0)
        bench.gather()
        #expect(bench.closed == [1])
        #expect(!bench.raw("00", to: "a"))
    }

    @Test("A restart keeps persistent sessions, or nothing", arguments: [true, false])
    func restart(keepingState: Bool) {
        let bench = subscribed()
        bench.openClean(3, "c")
        publish(bench, "x", qos: 1)
        bench.model.restart(keepingState: keepingState, at: 0)
        bench.gather()
        #expect(bench.closed == [1, 3])
        #expect(bench.model.hasSession("a") == keepingState)
        #expect(!bench.model.hasSession("c"))
        #expect(bench.openPersistent(4, "a") == keepingState)
        #expect(bench.take(4) == (keepingState ? bytes("3A 06 00 01 't' 00 01 'x'") : []))
    }

    @Test("Closing before CONNACK, and losing the session at reconnect")
    func connectFaults() {
        let bench = subscribed()
        bench.close(1)
        var faults = ConnectionFaults()
        faults.losesSession = true
        #expect(!bench.openPersistent(2, "a", faults: faults))
        bench.close(2)
        faults.losesSession = false
        faults.closesBeforeConnack = true
        bench.open(3, "10 0D 00 04 'MQTT' 04 00 00 00 00 01 'b'", faults: faults)
        #expect(bench.take(3) == [])
        #expect(bench.closed == [3])
        #expect(bench.openPersistent(4, "b"))
    }
}
