import Testing

@testable import MQTTTesting

/// Matching, overlapping subscriptions, retained messages.
@Suite("Broker model: topics and subscriptions")
struct ModelTopicTests {
    /// Mostly the examples of section 4.7.
    @Test(
        "Matching",
        arguments: [
            ("sport/tennis/player1/#", "sport/tennis/player1", true), ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true), ("sport/#", "sport", true),
            ("sport/#", "sports", false), ("#", "a/b", true), ("#", "/", true), ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false), ("sport/+", "sport", false), ("sport/+", "sport/", true),
            ("+/+", "/finance", true), ("/+", "/finance", true), ("+", "/finance", false), ("+", "finance", true),
            ("#", "$SYS/x", false), ("+/monitor/Clients", "$SYS/monitor/Clients", false), ("$SYS/#", "$SYS/x", true),
            ("$SYS/monitor/+", "$SYS/monitor/Clients", true), ("+/tennis/#", "sport/tennis", true), ("a/b", "a/b", true),
            ("a/b", "a/c", false), ("a/b", "a/bc", false), ("a/bc", "a/b", false), ("a", "a/", false), ("a/", "a", false),
            ("a/", "a/", true), ("a//b", "a//b", true), ("a/+/b", "a//b", true), ("A", "a", false), ("+/#", "a", true),
            ("+/#", "/", true), ("+/+/#", "a", false), ("a/+/c/#", "a/b/c", true), ("\u{e9}", "e\u{301}", false),
        ])
    func matching(filter: String, topic: String, isMatch: Bool) {
        #expect(BrokerText.matches(filter: Array(filter.utf8), topic: Array(topic.utf8)) == isMatch)
    }

    @Test("SUBACK has one code per filter, in order, denials and the highest QoS included [MQTT-3.9.3-1]")
    func suback() {
        let bench = ModelBench {
            $0.deniedFilters = ["b"]
            $0.maximumQoS = 1
        }
        bench.openClean(1, "a")
        bench.feed(1, "82 0E 00 0A 00 01 'a' 02 00 01 'b' 00 00 01 'c' 00")
        #expect(bench.take(1) == bytes("90 05 00 0A 01 80 00"))
        #expect(bench.model.filters(of: "a") == ["a", "c"])
    }

    @Test("Overlapping filters: one delivery at the highest of their QoS [MQTT-3.3.5-1], never above the published one")
    func overlap() {
        let bench = ModelBench()
        bench.openClean(1, "a")
        bench.feed(1, "82 0E 00 01 00 01 '+' 01 00 01 't' 00 00 01 '#' 02")
        _ = bench.take(1)
        bench.feed(1, "34 06 00 01 't' 00 05 'x'")
        #expect(bench.take(1) == bytes("50 02 00 05 34 06 00 01 't' 00 01 'x'"))
        bench.feed(1, "30 04 00 01 't' 'y'")
        #expect(bench.take(1) == bytes("30 04 00 01 't' 'y'"))
    }

    @Test("Retained messages: kept, replaced, cleared, sent with RETAIN to new subscriptions only")
    func retained() {
        let bench = ModelBench()
        bench.openClean(1, "a")
        bench.feed(1, "82 06 00 01 00 01 't' 01")
        _ = bench.take(1)
        // [MQTT-3.3.1-9]
        bench.feed(1, "31 04 00 01 't' 'x'")
        #expect(bench.take(1) == bytes("30 04 00 01 't' 'x'"))
        bench.feed(1, "31 04 00 01 's' 'v' 33 06 00 01 't' 00 01 'y' 30 04 00 01 't' 'z'")
        _ = bench.take(1)
        // [MQTT-3.3.1-6], [MQTT-3.3.1-8]; the SUBACK first, then in the order of their arrival.
        bench.openClean(2, "b")
        bench.feed(2, "82 06 00 01 00 01 '#' 00")
        #expect(bench.take(2) == bytes("90 03 00 01 00 31 04 00 01 's' 'v' 31 04 00 01 't' 'y'"))
        // [MQTT-3.8.4-3] Again for the same filter.
        bench.feed(2, "82 06 00 02 00 01 '#' 01")
        #expect(bench.take(2) == bytes("90 03 00 02 01 31 04 00 01 's' 'v' 33 06 00 01 't' 00 01 'y'"))
        // [MQTT-3.3.1-10] The clearing itself is delivered.
        bench.feed(1, "31 03 00 01 't'")
        #expect(bench.take(2) == bytes("30 03 00 01 't'"))
        #expect(bench.model.retainedMessages(matching: "#").map(\.topic) == [bytes("'s'")])
        #expect(bench.statements == [])
    }

    @Test("UNSUBSCRIBE compares filters as they are, is always answered, and exchanges under way go on")
    func unsubscribe() {
        let bench = ModelBench()
        bench.openClean(1, "a")
        bench.feed(1, "82 0A 00 01 00 01 '#' 01 00 01 't' 01")
        bench.feed(1, "30 04 00 01 't' 'x'")
        _ = bench.take(1)
        bench.feed(1, "A2 08 00 02 00 01 't' 00 01 'u'")
        #expect(bench.take(1) == bytes("B0 02 00 02"))
        bench.feed(1, "32 06 00 01 't' 00 03 'y'")
        _ = bench.take(1)
        bench.feed(1, "A2 05 00 04 00 01 '#'")
        bench.feed(1, "30 04 00 01 't' 'z' 40 02 00 01")
        #expect(bench.take(1) == bytes("B0 02 00 04"))
        #expect(bench.model.pendingCount(of: "a") == 0)
        #expect(bench.suspected == [])
    }

    @Test("A subscription changes the targets of a stream at once")
    func targetsFollow() {
        let bench = ModelBench()
        bench.openClean(1, "a")
        bench.openClean(2, "b")
        bench.feed(1, "30 04 00 01 't' '1'")
        bench.feed(2, "82 06 00 01 00 01 't' 00")
        bench.feed(1, "30 04 00 01 't' '2'")
        bench.feed(2, "A2 05 00 02 00 01 't'")
        bench.feed(1, "30 04 00 01 't' '3'")
        #expect(bench.take(2) == bytes("90 03 00 01 00 30 04 00 01 't' '2' B0 02 00 02"))
    }

    @Test("A session that ends takes its subscriptions along")
    func sessionEnd() {
        let bench = ModelBench()
        bench.openClean(1, "a")
        bench.feed(1, "82 0A 00 01 00 01 '#' 00 00 01 't' 00")
        bench.close(1)
        bench.openClean(2, "b")
        bench.feed(2, "30 04 00 01 't' '1'")
        #expect(bench.take(2) == [])
        #expect(bench.model.losses == BrokerModel.Losses())
    }
}
