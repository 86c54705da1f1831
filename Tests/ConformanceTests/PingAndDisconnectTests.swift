// Sections 3.12 to 3.14: PINGREQ, PINGRESP, DISCONNECT.
import MQTTCore
import MQTTTesting
import Testing

@Suite("PINGREQ and DISCONNECT") struct PingAndDisconnectTests {
    @Test("MQTT-3.12.4-1: PINGREQ is answered, and a server that does not is given up") func pingresp() {
        var pair = Pair(WireClient())
        pair.connect()
        let ticket = pair.clients[0].ping()
        #expect(pair.clients[0].sent == [[0xC0, 0]])
        pair.settle()
        #expect(pair.clients[0].resolutions == [ticket: .answered])
        var faults = ConnectionFaults()
        faults.answersPings = false
        pair.reconnect(faults: faults)
        pair.advance(by: .seconds(45))
        #expect(pair.clients[0].isOnline)
        pair.advance(by: .seconds(10))
        #expect(pair.clients[0].effects.contains(.offline(.silent(.pingresp))))
    }

    @Test("MQTT-3.14.1-1: the flags of DISCONNECT are 0") func flags() {
        var client = WireClient.online()
        client.disconnect()
        #expect(client.takeSent() == [0xE0, 0])
    }

    @Test("MQTT-3.14.4-1 MQTT-3.14.4-2: after DISCONNECT nothing follows, and the client closes the connection") func nothingFollows()
        throws
    {
        var client = WireClient.online()
        client.releasesAtOnce = false
        client.receive(Bytes.publish(0x32, 1))
        client.disconnect()
        #expect(client.takeSent() == [0xE0, 0])
        #expect(client.effects.last == .hangUpAfterFlush(1))
        client.release(1)
        try client.publish("t", .atMostOnce)
        try client.publish("t", .exactlyOnce)
        try client.subscribe(Subscription("a"))
        client.ping()
        client.receive(Bytes.publish(0x34, 2) + Bytes.acknowledgement(0x62, 2))
        client.advance(by: .seconds(300))
        #expect(client.takeSent() == [])
    }

    @Test("MQTT-3.14.4-3: DISCONNECT drops the will, anything else publishes it", arguments: [true, false]) func will(says: Bool) throws {
        let will = Connect.Will(topic: "gone", payload: [0x77], qos: .atLeastOnce, retain: false)
        var pair = Pair(WireClient.named("mortal", will: will), WireClient.named("heir"))
        pair.connect(0)
        pair.connect(1)
        try pair.clients[1].subscribe(Subscription("gone"))
        pair.settle()
        if says { pair.clients[0].disconnect() } else { pair.clients[0].close() }
        pair.settle()
        #expect(pair.texts(1) == (says ? [] : ["gone w"]))
        #expect(pair.broker.violations == [])
    }
}
