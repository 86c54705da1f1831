import MQTTTesting
import Testing

/// A table of what a client must not send, with the statement that forbids it.
@Suite("Broker model: what a client must not send")
struct ModelViolationTests {
    /// Before CONNECT, each on a connection of its own. None of them gets an answer [MQTT-3.1.4-1].
    static let first: [(String, String)] = [
        ("C0 00", "MQTT-3.1.0-1"),
        ("30 03 00 01 'a'", "MQTT-3.1.0-1"),
        ("E0 00", "MQTT-3.1.0-1"),
        ("11 0D 00 04 'MQTT' 04 02 00 00 00 01 'a'", "MQTT-2.2.2-2"),
        ("10 0F 00 06 'MQIsdp' 03 02 00 00 00 01 'a'", "MQTT-3.1.2-1"),
        ("10 0D 00 04 'MQTT' 04 03 00 00 00 01 'a'", "MQTT-3.1.2-3"),
        ("10 0D 00 04 'MQTT' 04 0A 00 00 00 01 'a'", "MQTT-3.1.2-13"),
        ("10 0D 00 04 'MQTT' 04 22 00 00 00 01 'a'", "MQTT-3.1.2-15"),
        ("10 13 00 04 'MQTT' 04 1E 00 00 00 01 'a' 00 01 'x' 00 01 'y'", "MQTT-3.1.2-14"),
        ("10 10 00 04 'MQTT' 04 42 00 00 00 01 'a' 00 01 'p'", "MQTT-3.1.2-22"),
        ("10 0D 00 04 'MQTT' 04 06 00 00 00 01 'a'", "MQTT-3.1.2-9"),
        ("10 0D 00 04 'MQTT' 04 82 00 00 00 01 'a'", "MQTT-3.1.2-19"),
        ("10 10 00 04 'MQTT' 04 C2 00 00 00 01 'a' 00 01 'u'", "MQTT-3.1.2-21"),
        ("10 10 00 04 'MQTT' 04 02 00 00 00 01 'a' 00 01 'u'", "MQTT-3.1.4-1"),
        ("10 0A 00 04 'MQTT' 04 02 00 00", "MQTT-3.1.3-3"),
        ("10 0D 00 04 'MQTT' 04 02 00 00 00 02 'a'", "MQTT-3.1.3-3"),
        ("10 0D 00 04 'MQTT' 04 02 00 00 00 01 FF", "MQTT-1.5.3-1"),
        ("10 0D 00 04 'MQTT' 04 02 00 00 00 01 00", "MQTT-1.5.3-2"),
        ("10 13 00 04 'MQTT' 04 06 00 00 00 01 'a' 00 01 '#' 00 01 'y'", "MQTT-3.3.2-2"),
        ("10 FF FF FF FF 01", "MQTT-4.8.0-1"),
        ("10 02 00 04", "MQTT-3.1.4-1"),
    ]

    @Test("Before CONNECT", arguments: first)
    func unconnected(packet: String, statement: String) {
        let bench = ModelBench()
        bench.open(1, packet)
        #expect(bench.statements == [statement])
        #expect(bench.closed == [1])
        #expect(bench.take(1) == [])
    }

    static let later: [(String, String)] = [
        ("10 0D 00 04 'MQTT' 04 02 00 00 00 01 'a'", "MQTT-3.1.0-2"),
        ("00 00", "MQTT-4.8.0-1"),
        ("F0 00", "MQTT-4.8.0-1"),
        ("20 02 00 00", "MQTT-4.8.0-1"),
        ("90 03 00 01 00", "MQTT-4.8.0-1"),
        ("B0 02 00 01", "MQTT-4.8.0-1"),
        ("D0 00", "MQTT-4.8.0-1"),
        ("30 80 80 80 80 00", "MQTT-4.8.0-1"),
        // PUBLISH
        ("36 05 00 01 'a' 00 01", "MQTT-3.3.1-4"),
        ("38 03 00 01 'a'", "MQTT-3.3.1-2"),
        ("32 05 00 01 'a' 00 00", "MQTT-2.3.1-1"),
        ("34 05 00 01 'a' 00 00", "MQTT-2.3.1-1"),
        ("32 03 00 01 'a'", "MQTT-4.8.0-1"),
        ("30 02 00 00", "MQTT-4.7.3-1"),
        ("30 01 00", "MQTT-3.3.2-1"),
        ("30 03 00 02 'a'", "MQTT-3.3.2-1"),
        ("30 03 00 01 '+'", "MQTT-3.3.2-2"),
        ("30 05 00 03 'a/#'", "MQTT-3.3.2-2"),
        ("30 03 00 01 00", "MQTT-1.5.3-2"),
        ("30 05 00 03 ED A0 80", "MQTT-1.5.3-1"),
        ("30 04 00 02 C0 80", "MQTT-1.5.3-1"),
        ("30 05 00 03 E0 80 80", "MQTT-1.5.3-1"),
        ("30 06 00 04 F4 90 80 80", "MQTT-1.5.3-1"),
        ("30 04 00 02 E2 82", "MQTT-1.5.3-1"),
        // Acknowledgements
        ("41 02 00 01", "MQTT-2.2.2-2"),
        ("52 02 00 01", "MQTT-2.2.2-2"),
        ("60 02 00 01", "MQTT-3.6.1-1"),
        ("72 02 00 01", "MQTT-2.2.2-2"),
        ("40 02 00 00", "MQTT-2.3.1-1"),
        ("40 01 00", "MQTT-4.8.0-1"),
        ("40 03 00 01 00", "MQTT-4.8.0-1"),
        // SUBSCRIBE and UNSUBSCRIBE
        ("80 06 00 01 00 01 'a' 00", "MQTT-3.8.1-1"),
        ("82 06 00 00 00 01 'a' 00", "MQTT-2.3.1-1"),
        ("82 02 00 01", "MQTT-3.8.3-3"),
        ("82 05 00 01 00 01 'a'", "MQTT-4.8.0-1"),
        ("82 06 00 01 00 01 'a' 03", "MQTT-3-8.3-4"),
        ("82 06 00 01 00 01 'a' 04", "MQTT-3-8.3-4"),
        ("82 05 00 01 00 00 00", "MQTT-4.7.3-1"),
        ("82 06 00 01 00 01 FF 00", "MQTT-1.5.3-1"),
        ("82 07 00 01 00 02 'a#' 00", "MQTT-4.7.1-2"),
        ("82 08 00 01 00 03 '#/a' 00", "MQTT-4.7.1-2"),
        ("82 07 00 01 00 02 'a+' 00", "MQTT-4.7.1-3"),
        ("82 07 00 01 00 02 '+a' 00", "MQTT-4.7.1-3"),
        ("82 06 00 01 00 05 'a' 00", "MQTT-3.8.3-1"),
        ("A0 05 00 01 00 01 'a'", "MQTT-3.10.1-1"),
        ("A2 02 00 01", "MQTT-3.10.3-2"),
        ("A2 05 00 00 00 01 'a'", "MQTT-2.3.1-1"),
        ("A2 05 00 01 00 02 'a'", "MQTT-3.10.3-1"),
        // PINGREQ and DISCONNECT
        ("C1 00", "MQTT-2.2.2-2"),
        ("C0 01 00", "MQTT-4.8.0-1"),
        ("E1 00", "MQTT-3.14.1-1"),
        ("E0 01 00", "MQTT-4.8.0-1"),
        ("E0 00 C0 00", "MQTT-3.14.4-2"),
    ]

    @Test("After CONNECT", arguments: later)
    func connected(packet: String, statement: String) {
        let bench = ModelBench()
        bench.openClean(1, "a")
        bench.feed(1, packet)
        #expect(bench.statements == [statement])
        #expect(bench.model.violations.first?.clientID == "a")
        #expect(bench.closed == [1])
        #expect(bench.published == [])
        // Nothing behind it is looked at.
        bench.feed(1, "30 03 00 01 'a'")
        #expect(bench.published == [])
        #expect(bench.statements == [statement])
    }

    @Test("A violation publishes the will")
    func will() {
        let bench = ModelBench()
        bench.openClean(9, "w")
        bench.feed(9, "82 06 00 01 00 01 'x' 00")
        _ = bench.take(9)
        bench.open(1, "10 13 00 04 'MQTT' 04 06 00 00 00 01 'a' 00 01 'x' 00 01 'y'")
        bench.feed(1, "F0 00")
        #expect(bench.take(9) == bytes("30 04 00 01 'x' 'y'"))
    }

    @Test("Bytes after DISCONNECT count later too, once [MQTT-3.14.4-2]")
    func afterDisconnect() {
        let bench = ModelBench()
        bench.openClean(1, "a")
        bench.feed(1, "E0 00")
        #expect(bench.closed == [1])
        bench.feed(1, "C0 00")
        bench.feed(1, "C0 00")
        #expect(bench.statements == ["MQTT-3.14.4-2"])
        bench.close(1)
        #expect(bench.closed == [1])
    }

    @Test("A packet beyond the size limit is refused by its fixed header")
    func tooLarge() {
        let bench = ModelBench { $0.maximumPacketSize = 100 }
        bench.openClean(1, "a")
        bench.feed(1, "30 80 01")
        #expect(bench.statements == ["MQTT-4.8.0-1"])
    }

    @Test("Characters of all lengths are fine, U+FEFF included [MQTT-1.5.3-3]")
    func text() {
        let bench = ModelBench()
        bench.openClean(1, "a")
        bench.feed(1, "30 0F 00 0D EF BB BF 'z' C3 A9 F0 90 8D 88 ED 9F BF")
        #expect(bench.published.map(\.topicBytes) == [bytes("EF BB BF 'z' C3 A9 F0 90 8D 88 ED 9F BF")])
    }
}
