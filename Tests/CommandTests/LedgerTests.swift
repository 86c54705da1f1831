import MQTT
import Testing

@testable import mqttc

/// What the demonstration counts as lost, doubled and out of order.
@Suite struct LedgerTests {
    private func ledger(_ qos: QoS, sent: Int, received: [Int]) -> Ledger {
        var ledger = Ledger(qos)
        for _ in 0..<sent { ledger.accept() }
        for number in received { ledger.receive(number) }
        return ledger
    }

    @Test func complete() {
        for qos in QoS.allCases { #expect(ledger(qos, sent: 4, received: [0, 1, 2, 3]).holds) }
    }

    @Test func loss() {
        #expect(ledger(.atMostOnce, sent: 4, received: [0, 3]).holds)
        #expect(ledger(.atLeastOnce, sent: 4, received: [0, 1, 3]).lost == 1)
        #expect(!ledger(.atLeastOnce, sent: 4, received: [0, 1, 3]).holds)
        #expect(!ledger(.exactlyOnce, sent: 4, received: [0, 1, 2]).holds)
    }

    @Test func doubles() {
        #expect(!ledger(.atMostOnce, sent: 2, received: [0, 0, 1]).holds)
        #expect(ledger(.atLeastOnce, sent: 3, received: [0, 1, 0, 1, 2]).holds)
        #expect(ledger(.atLeastOnce, sent: 3, received: [0, 1, 0, 1, 2]).doubled == 2)
        #expect(!ledger(.exactlyOnce, sent: 2, received: [0, 1, 1]).holds)
    }

    @Test func disorderAndInventions() {
        for qos in QoS.allCases {
            #expect(!ledger(qos, sent: 3, received: [0, 2, 1]).holds)
            #expect(!ledger(qos, sent: 2, received: [0, 1, 2]).holds)
        }
    }
}
