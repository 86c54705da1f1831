import MQTTTesting
import Testing

/// CONNECT with all it can ask for, and the life of a session.
@Suite("Broker model: connections and sessions")
struct ModelConnectTests {
    @Test("CONNECT with everything in it is accepted with CONNACK 0 [MQTT-3.1.4-4]")
    func everything() {
        let bench = ModelBench()
        // The example of section 3.1.2.3 in its flags: user name, password, will at QoS 1, clean session.
        bench.open(
            1, "10 27 00 04 'MQTT' 04 CE 00 0A 00 03 'abc' 00 04 'will' 00 03 'bye' 00 04 'user' 00 05 'sesam' 30 03 00 01 'a'")
        #expect(bench.take(1) == bytes("20 02 00 00"))
        #expect(bench.model.connectedClients == ["abc"])
        #expect(bench.published.map(\.topic) == ["a"])
        #expect(bench.statements == [])
    }

    @Test("Bytes may be cut anywhere")
    func cutAnywhere() {
        let bench = ModelBench()
        bench.open(1)
        let stream = bytes("10 0D 00 04 'MQTT' 04 02 00 00 00 01 'a' 30 05 00 01 't' 'hi' C0 00 32 06 00 01 't' 00 07 'x'")
        for byte in stream {
            bench.model.received([byte], from: BrokerModel.ConnectionID(1), at: 0)
        }
        #expect(bench.take(1) == bytes("20 02 00 00 D0 00 40 02 00 07"))
        #expect(bench.published.map(\.payload) == [bytes("'hi'"), bytes("'x'")])
        #expect(bench.statements == [])
    }

    @Test("An unsupported level gets CONNACK 1 and a close [MQTT-3.1.2-2]")
    func level() {
        let bench = ModelBench()
        bench.open(1, "10 0E 00 04 'MQTT' 05 02 00 3C 00 00 01 'a'")
        #expect(bench.take(1) == bytes("20 02 00 01"))
        #expect(bench.closed == [1])
        #expect(bench.statements == [])
    }

    @Test("An empty client identifier gets one assigned, with Clean Session only [MQTT-3.1.3-7], [MQTT-3.1.3-8]")
    func emptyClientID() {
        let bench = ModelBench()
        bench.open(1, "10 0C 00 04 'MQTT' 04 02 00 00 00 00")
        #expect(bench.take(1) == bytes("20 02 00 00"))
        bench.open(2, "10 0C 00 04 'MQTT' 04 00 00 00 00 00")
        #expect(bench.take(2) == bytes("20 02 00 02"))
        #expect(bench.closed == [2])
        #expect(bench.statements == ["MQTT-3.1.3-7"])
    }

    @Test("User names and passwords are looked up, CONNACK 4 and 5")
    func credentials() {
        let bench = ModelBench { $0.credentials = ["u": bytes("'p'")] }
        bench.open(1, "10 13 00 04 'MQTT' 04 C2 00 00 00 01 'a' 00 01 'u' 00 01 'p'")
        bench.open(2, "10 13 00 04 'MQTT' 04 C2 00 00 00 01 'b' 00 01 'u' 00 01 'q'")
        bench.open(3, "10 10 00 04 'MQTT' 04 82 00 00 00 01 'c' 00 01 'u'")
        bench.open(4, "10 0D 00 04 'MQTT' 04 02 00 00 00 01 'd' 30 03 00 01 'a'")
        #expect(bench.take(1) == bytes("20 02 00 00"))
        #expect(bench.take(2) == bytes("20 02 00 04"))
        #expect(bench.take(3) == bytes("20 02 00 04"))
        #expect(bench.take(4) == bytes("20 02 00 05"))
        #expect(bench.closed == [2, 3, 4])
        // [MQTT-3.1.4-5]
        #expect(bench.published == [])
        #expect(bench.statements == [])
    }

    @Test("Refusals by configuration: per client identifier, for the next connects, per connection")
    func refusals() {
        let bench = ModelBench { $0.refusals = ["b": 2] }
        bench.model.refuseNext([3, 0])
        bench.open(1, "10 0D 00 04 'MQTT' 04 02 00 00 00 01 'a'")
        bench.open(2, "10 0D 00 04 'MQTT' 04 02 00 00 00 01 'a'")
        bench.open(3, "10 0D 00 04 'MQTT' 04 02 00 00 00 01 'b'")
        var faults = ConnectionFaults()
        faults.refusal = 5
        bench.open(4, "10 0D 00 04 'MQTT' 04 02 00 00 00 01 'c'", faults: faults)
        #expect((1...4).map { bench.take($0).last } == [3, 0, 2, 5])
        #expect(bench.closed == [1, 3, 4])
    }

    @Test("A session is kept with Clean Session 0, and gone after Clean Session 1 [MQTT-3.2.2-1] to [MQTT-3.2.2-3]")
    func sessionPresent() {
        let bench = ModelBench()
        #expect(!bench.openPersistent(1, "a"))
        bench.close(1)
        #expect(bench.openPersistent(2, "a"))
        bench.close(2)
        bench.openClean(3, "a")
        bench.close(3)
        #expect(!bench.model.hasSession("a"))
        #expect(!bench.openPersistent(4, "a"))
    }

    @Test("The same client identifier takes over: the old connection closes, its will is published [MQTT-3.1.4-2]")
    func takeOver() {
        let bench = ModelBench()
        bench.openClean(9, "w")
        bench.feed(9, "82 06 00 01 00 01 'x' 00")
        bench.open(1, "10 13 00 04 'MQTT' 04 04 00 00 00 01 'a' 00 01 'x' 00 01 'y'")
        _ = bench.take(9)
        #expect(bench.openPersistent(2, "a"))
        #expect(bench.closed == [1])
        #expect(bench.take(9) == bytes("30 04 00 01 'x' 'y'"))
        // What the old connection still says has no effect.
        bench.feed(1, "30 03 00 01 'z'")
        #expect(bench.published == [])
        #expect(bench.model.connectedClients == ["w", "a"])
    }

    @Test("The will comes after a failure, not after DISCONNECT [MQTT-3.14.4-3]", arguments: [true, false])
    func will(disconnects: Bool) {
        let bench = ModelBench()
        bench.openClean(9, "w")
        bench.feed(9, "82 06 00 01 00 01 'x' 02")
        _ = bench.take(9)
        // QoS 2, retained.
        bench.open(1, "10 13 00 04 'MQTT' 04 36 00 00 00 01 'a' 00 01 'x' 00 01 'y'")
        if disconnects { bench.feed(1, "E0 00") }
        bench.close(1)
        #expect(bench.take(9) == (disconnects ? [] : bytes("34 06 00 01 'x' 00 01 'y'")))
        #expect(bench.model.retainedMessages(matching: "#").count == (disconnects ? 0 : 1))
        #expect(bench.statements == [])
    }

    @Test("Silence for one and a half keep-alives ends the connection [MQTT-3.1.2-24]")
    func keepAlive() {
        let bench = ModelBench()
        bench.open(1, "10 0D 00 04 'MQTT' 04 02 00 0A 00 01 'a'")
        #expect(bench.model.nextDeadline == 15_000_000_000)
        bench.now = 7_000_000_000
        bench.feed(1, "C0 00")
        #expect(bench.take(1) == bytes("20 02 00 00 D0 00"))
        #expect(bench.model.nextDeadline == 22_000_000_000)
        bench.tick(at: 21_999_999_999)
        #expect(bench.closed == [])
        bench.tick(at: 22_000_000_000)
        #expect(bench.closed == [1])
        #expect(bench.model.nextDeadline == nil)
    }

    @Test("A connection that says nothing is closed, and one that is not read is not")
    func connectTimeout() {
        let bench = ModelBench { $0.connectTimeout = .seconds(2) }
        bench.open(1)
        bench.open(2)
        bench.model.reading(false, from: BrokerModel.ConnectionID(2), at: 0)
        bench.tick(at: 2_000_000_000)
        #expect(bench.closed == [1])
    }
}
