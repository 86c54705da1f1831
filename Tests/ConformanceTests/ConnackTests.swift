// Section 3.2: CONNACK.
import MQTTCore
import MQTTTesting
import Testing

@Suite("CONNACK") struct ConnackTests {
    @Test(
        "MQTT-3.2.0-1: another packet ahead of CONNACK, or a second CONNACK, is a violation",
        arguments: [
            [0xD0, 0], Bytes.publish(0x30), Bytes.acknowledgement(0x40, 0x4000), [0x90, 3, 0, 1, 0],
        ] as [[UInt8]])
    func connackIsFirst(packet: [UInt8]) {
        var client = WireClient()
        client.open()
        _ = client.takeSent()
        client.receive(packet)
        #expect(client.hangsUp && client.violation == .connackMissing)
        #expect(client.takeSent() == [] && client.delivered == [])

        var second = WireClient.online()
        second.receive(Bytes.connack)
        #expect(second.hangsUp && second.violation == .connackRepeated)
    }

    @Test("MQTT-3.2.2-2: session present continues the session") func sessionPresent() throws {
        var client = WireClient.online()
        try client.publish("t", .exactlyOnce)
        client.receive(Bytes.acknowledgement(0x50, 0x4000) + Bytes.publish(0x34, 7))
        client.reconnect(sessionPresent: true)
        #expect(client.takeSent() == Bytes.acknowledgement(0x62, 0x4000))
        client.receive(Bytes.publish(0x3C, 7))
        #expect(client.delivered.count == 1 && client.discarded == 1)
    }

    @Test("MQTT-3.2.2-3: without session present nothing is lost, and no identifier of the lost session remains") func sessionLost() throws
    {
        var client = WireClient.online()
        try client.publish("t", .exactlyOnce)
        client.receive(Bytes.acknowledgement(0x50, 0x4000) + Bytes.publish(0x34, 7))
        client.reconnect(sessionPresent: false)
        #expect(client.takeSent() == Bytes.publish(0x34, 0x4000))
        client.receive(Bytes.publish(0x34, 7))
        #expect(client.delivered.count == 2 && client.discarded == 0)
    }

    @Test("MQTT-3.2.2-4: session present in a refusal is a violation", arguments: 1...5 as ClosedRange<UInt8>)
    func sessionPresentInARefusal(code: UInt8) {
        var client = WireClient()
        client.open()
        client.receive([0x20, 2, 1, code])
        #expect(client.hangsUp && client.violation == .sessionPresentOnRefusal)
    }
}
