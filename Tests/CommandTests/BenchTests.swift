import Histogram
import MQTT
import NIOCore
import Testing

@testable import mqttc

/// The accounts that benchmarks keep.
@Suite struct BenchTests {
    @Test func payloadsAreNumbered() throws {
        for size in [8, 16, 1_000, 100_000] {
            var payloads = StampedPayloads(size: size)
            for number in 0..<5_000 {
                let buffer = try #require(payloads.next(number).buffer)
                #expect(buffer.readableBytes == size)
                #expect(StampedPayloads.number(of: buffer) == number)
            }
        }
        var tiny = StampedPayloads(size: 3)
        #expect(StampedPayloads.number(of: try #require(tiny.next(0).buffer)) == nil)
        #expect(StampedPayloads.number(of: ByteBuffer(string: "something else")) == nil)
    }

    @Test func ledgerTellsWhatIsMissingAndWhatCameTwice() {
        var ledger = ArrivalLedger()
        for number in [5, 6, 8, 6, 200, 8] { ledger.arrive(number) }
        #expect((ledger.distinct, ledger.duplicated, ledger.gaps) == (4, 2, 196 - 4))
    }

    @Test func gateKeepsWithinItsWindow() async {
        let gate = ArrivalGate(receivers: 2, window: 3)
        for number in 0..<3 { await gate.pass(number) }
        gate.arrived(2, at: 0)
        let passed = Task { await gate.pass(3) }
        gate.arrived(1, at: 1)
        await passed.value
        let stalled = Task { await gate.pass(9) }
        // It may not wait yet: giving up opens the gate for whoever waits.
        while gate.isOpen { await Task.yield() }
        gate.giveUp()
        await stalled.value
    }

    @Test func reportHasItsKeys() throws {
        var latencies = BenchMeter.emptyHistogram
        for value in 1...1_000 { latencies.record(UInt64(value) * 1_000) }
        let report = BenchReport(
            mode: "pub", clients: 1, qos: .atLeastOnce, size: 16, count: 10, seconds: 2, lost: 1, duplicated: 2, latencies: latencies,
            usage: System.usage)
        var parser = JSONParser(report.json)
        guard case .object(let object) = try parser.parse() else {
            Issue.record("no object")
            return
        }
        #expect(object["messagesPerSecond"] == .integer(5))
        #expect(object["lost"] == .integer(1))
        #expect(object["duplicated"] == .integer(2))
        for (name, expected) in [("p50Microseconds", 500.0), ("p99Microseconds", 990), ("p999Microseconds", 999)] {
            let value: Double =
                switch object[name] {
                case .integer(let value): Double(value)
                case .number(let value): value
                default: 0
                }
            #expect(abs(value - expected) < expected / 500)
        }
        #expect(LatencyChart(latencies).lines.count <= 24)
    }

    @Test(arguments: [
        (0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567"),
    ])
    func groups(number: Int, text: String) {
        #expect(Quantity.grouped(number) == text)
    }

    @Test func quantities() {
        #expect(Quantity.bytes(512) == "512 B")
        #expect(Quantity.bytes(1 << 20) == "1.0 MiB")
        #expect(Quantity.shortTime(nanoseconds: 870) == "870 ns")
        #expect(Quantity.shortTime(nanoseconds: 1_240_000) == "1.24 ms")
        #expect(Quantity.decimal(-0.04, 1) == "0.0")
        #expect(Quantity.decimal(2.05, 0) == "2")
        #expect(Quantity.decimal(1.005, 3) == "1.005")
    }

    /// Packets of `test`, against those of the standard.
    @Test func connectBytes() throws {
        #expect(ConnectBytes(clientID: "a").packet == [0x10, 13, 0, 4] + Array("MQTT".utf8) + [4, 2, 0, 60, 0, 1, 0x61])
        let five = ConnectBytes(level: 5, clientID: "", isClean: false, username: "u", password: [1])
        #expect(five.packet == [0x10, 19, 0, 4] + Array("MQTT".utf8) + [5, 0xc0, 0, 60, 0, 0, 0, 0, 1, 0x75, 0, 1, 1])
        let connack = try #require(ConnackBytes([0x20, 9, 1, 0, 6, 0x21, 0, 20, 0x22, 0, 10], level: 5))
        #expect(connack.sessionPresent)
        #expect(connack.properties == [0x21: 20, 0x22: 10])
        #expect(ConnackBytes([0x30, 0, 0, 0], level: 4) == nil)
        #expect(ConnackBytes([0x20, 0x80, 0, 0], level: 4) == nil)
    }
}
