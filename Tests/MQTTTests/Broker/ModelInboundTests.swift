import MQTTTesting
import Testing

/// What the broker does with messages from clients, and how it judges their resends.
@Suite("Broker model: messages from clients")
struct ModelInboundTests {
    @Test("Each QoS is answered its way [MQTT-3.3.4-1], and owned at arrival, once [MQTT-4.3.3-2]")
    func answers() {
        let bench = ModelBench()
        bench.openClean(1, "a")
        bench.feed(1, "30 04 00 01 't' '0'")
        #expect(bench.take(1) == [])
        bench.feed(1, "33 06 00 01 't' 00 01 '1'")
        #expect(bench.take(1) == bytes("40 02 00 01"))
        bench.feed(1, "34 06 00 01 't' 00 02 '2'")
        #expect(bench.take(1) == bytes("50 02 00 02"))
        #expect(bench.published.map(\.qos) == [0, 1, 2])
        #expect(bench.published.map(\.retain) == [false, true, false])
        #expect(bench.published.map(\.packetID) == [0, 1, 2])
        bench.feed(1, "62 02 00 02")
        #expect(bench.take(1) == bytes("70 02 00 02"))
        // The identifier is free again.
        bench.feed(1, "34 06 00 01 't' 00 02 '3'")
        #expect(bench.take(1) == bytes("50 02 00 02"))
        #expect(bench.published.count == 4)
        #expect(bench.statements == [])
        #expect(bench.suspected == [])
    }

    @Test("A QoS 2 PUBLISH that comes again is answered and not delivered again")
    func duplicate() {
        let bench = ModelBench()
        bench.openPersistent(1, "a")
        bench.feed(1, "34 06 00 01 't' 00 02 '2'")
        bench.close(1)
        bench.openPersistent(2, "a")
        bench.feed(2, "3C 06 00 01 't' 00 02 '2' 62 02 00 02")
        #expect(bench.take(2) == bytes("50 02 00 02 70 02 00 02"))
        #expect(bench.published.count == 1)
        bench.close(2)
        // PUBCOMP was lost, so PUBREL comes again.
        bench.openPersistent(3, "a")
        bench.feed(3, "62 02 00 02")
        #expect(bench.take(3) == bytes("70 02 00 02"))
        #expect(bench.statements == [])
        #expect(bench.suspected == [])
    }

    @Test("After the session is lost, everything is new, with or without DUP", arguments: ["34", "3C"])
    func lostSession(first: String) {
        let bench = ModelBench()
        bench.openPersistent(1, "a")
        bench.feed(1, "34 06 00 01 't' 00 02 '2'")
        bench.model.dropSessions(at: 0)
        bench.gather()
        #expect(bench.closed == [1])
        #expect(!bench.openPersistent(2, "a"))
        bench.feed(2, "\(first) 06 00 01 't' 00 02 '2'")
        #expect(bench.published.count == 2)
        #expect(bench.statements == [])
    }

    /// Each pair: what is unfinished, and what breaks the rule.
    @Test(
        "Identifiers of unfinished exchanges are taken [MQTT-2.3.1-2], DUP is missing [MQTT-3.3.1-1]",
        arguments: [
            ("34 06 00 01 't' 00 02 'x'", "MQTT-2.3.1-2"), ("3C 06 00 01 't' 00 02 'x'", "MQTT-2.3.1-2"),
            ("34 06 00 01 't' 00 02 '2'", "MQTT-3.3.1-1"), ("32 06 00 01 't' 00 02 '2'", "MQTT-2.3.1-2"),
            ("82 06 00 02 00 01 'x' 00", "MQTT-2.3.1-2"), ("A2 05 00 02 00 01 'x'", "MQTT-2.3.1-2"),
        ])
    func identifierInUse(packet: String, statement: String) {
        let bench = ModelBench()
        bench.openClean(1, "a")
        bench.feed(1, "34 06 00 01 't' 00 02 '2'")
        bench.feed(1, packet)
        #expect(bench.statements == [statement])
        #expect(bench.closed == [1])
    }

    @Test("A swallowed acknowledgement keeps its identifier in use")
    func swallowed() {
        var faults = ConnectionFaults()
        faults.swallowedAcknowledgements = 3
        let bench = ModelBench()
        bench.openPersistent(1, "a", faults: faults)
        bench.feed(1, "32 06 00 01 't' 00 01 'x' 82 06 00 02 00 01 't' 00 62 02 00 03")
        #expect(bench.take(1) == [])
        bench.close(1)
        bench.openPersistent(2, "a")
        bench.feed(2, "3A 06 00 01 't' 00 01 'x' 62 02 00 03")
        #expect(bench.take(2) == bytes("40 02 00 01 30 04 00 01 't' 'x' 70 02 00 03"))
        bench.feed(2, "32 06 00 01 't' 00 01 'y' 34 06 00 01 't' 00 03 'y' 82 06 00 02 00 01 't' 00")
        #expect(bench.statements == [])
        bench.openPersistent(3, "b", faults: faults)
        bench.feed(3, "82 06 00 02 00 01 't' 00 82 06 00 02 00 01 'u' 00")
        #expect(bench.statements == ["MQTT-2.3.1-2"])
    }

    @Test("PUBLISH again after PUBREL [MQTT-4.3.3-1]", arguments: [true, false])
    func afterPubrel(payloadsAreUnique: Bool) {
        let bench = ModelBench { $0.payloadsAreUnique = payloadsAreUnique }
        bench.openPersistent(1, "a")
        bench.feed(1, "34 06 00 01 't' 00 02 '2' 62 02 00 02")
        bench.close(1)
        bench.openPersistent(2, "a")
        // Another message whose first PUBLISH was lost.
        bench.feed(2, "3C 06 00 01 't' 00 02 'x' 62 02 00 02")
        #expect(bench.statements == [])
        #expect(bench.suspected == [])
        bench.feed(2, "3C 06 00 01 't' 00 02 '2'")
        #expect(bench.statements == (payloadsAreUnique ? ["MQTT-4.3.3-1"] : []))
        #expect(bench.suspected == (payloadsAreUnique ? [] : ["MQTT-4.3.3-1"]))
    }

    @Test(
        "DUP on the first PUBLISH of a client [MQTT-4.3.2-1] [MQTT-4.3.3-1]: a stored session may have sent it", arguments: [true, false])
    func duplicateAtFirst(sessionsAreVolatile: Bool) {
        for (packet, statement) in [("3A 05 00 01 'a' 00 01", "MQTT-4.3.2-1"), ("3C 05 00 01 'a' 00 01", "MQTT-4.3.3-1")] {
            let bench = ModelBench { $0.sessionsAreVolatile = sessionsAreVolatile }
            bench.openPersistent(1, "a")
            bench.feed(1, packet)
            #expect(bench.statements == (sessionsAreVolatile ? [statement] : []))
            #expect(bench.suspected == (sessionsAreVolatile ? [] : [statement]))
        }
    }

    @Test("PUBLISH comes again in the original order [MQTT-4.6.0-1]")
    func resendOrder() {
        let bench = ModelBench { ($0.payloadsAreUnique, $0.sessionsAreVolatile) = (true, true) }
        bench.openPersistent(1, "a")
        bench.feed(1, "32 06 00 01 't' 00 01 'a' 34 06 00 01 't' 00 02 'b' 32 06 00 01 't' 00 03 'c'")
        bench.close(1)
        bench.openPersistent(2, "a")
        bench.feed(2, "3A 06 00 01 't' 00 01 'a' 3A 06 00 01 't' 00 03 'c' 3A 06 00 01 't' 00 04 'd'")
        #expect(bench.suspected == [])
        bench.feed(2, "3C 06 00 01 't' 00 02 'b'")
        #expect(bench.suspected == ["MQTT-4.6.0-1"])
        #expect(bench.statements == [])
        bench.close(2)
        bench.openPersistent(3, "a")
        bench.feed(3, "3A 06 00 01 't' 00 03 'c' 3A 06 00 01 't' 00 01 'a'")
        #expect(bench.statements == ["MQTT-4.6.0-1"])
    }

    @Test("PUBREL comes in the order of PUBREC [MQTT-4.6.0-4]")
    func pubrelOrder() {
        let bench = ModelBench()
        bench.openPersistent(1, "a")
        bench.feed(1, "34 06 00 01 't' 00 01 'a' 34 06 00 01 't' 00 02 'b' 34 06 00 01 't' 00 03 'c'")
        bench.feed(1, "62 02 00 01")
        #expect(bench.statements == [])
        bench.feed(1, "62 02 00 03")
        #expect(bench.statements == ["MQTT-4.6.0-4"])
    }

    @Test("PUBREL of an unknown identifier is answered, and suspicious")
    func unknownPubrel() {
        let bench = ModelBench()
        bench.openClean(1, "a")
        bench.feed(1, "62 02 00 09")
        #expect(bench.take(1) == bytes("70 02 00 09"))
        #expect(bench.suspected == ["MQTT-2.3.1-6"])
        #expect(bench.closed == [])
    }

    @Test("A large payload survives any cut")
    func large() {
        let bench = ModelBench()
        bench.openClean(9, "w")
        bench.feed(9, "82 06 00 01 00 01 't' 00")
        _ = bench.take(9)
        bench.openClean(1, "a")
        let payload = (0..<100_000).map { UInt8($0 % 251) }
        // 100,005 is 25 + 13 * 128 + 6 * 128 * 128.
        let packet = bytes("34 A5 8D 06 00 01 't' 00 07") + payload
        var index = 0
        while index < packet.count {
            let end = min(packet.count, index + 7919)
            bench.model.received(Array(packet[index..<end]), from: BrokerModel.ConnectionID(1), at: 0)
            index = end
        }
        #expect(bench.take(1) == bytes("50 02 00 07"))
        #expect(bench.published.map(\.payload) == [payload])
        #expect(bench.take(9) == bytes("30 A3 8D 06 00 01 't'") + payload)
    }

    @Test("Held acknowledgements come in another order, all of them, the same for the same seed")
    func reordered() {
        var orders: Set<[UInt8]> = []
        for seed in [1, 1, 2, 3, 4] as [UInt64] {
            var faults = ConnectionFaults()
            faults.reorderSeed = seed
            let bench = ModelBench()
            bench.openClean(1, "a", faults: faults)
            for id in 1...8 { bench.feed(1, "32 05 00 01 't' 00 0\(id)") }
            bench.tick(at: 1_000_000)
            let answer = bench.take(1)
            let ids = stride(from: 3, to: answer.count, by: 4).map { answer[$0] }
            #expect(ids.sorted() == Array(1...8))
            orders.insert(ids)
        }
        #expect(orders.count > 1 && orders.count < 5)
    }
}
