// Topic names and filters: what is valid, what is equal, what matches (section 4.7).
import MQTTCore
import Testing

struct TopicTests {
    static let validNames = [
        "a", "/", "//", "/finance", "finance/", "Accounts payable", "$SYS/broker/uptime", "$", " ", "sport/tennis/player1", "ä/ö",
        "\u{FEFF}",
        "\u{10FFFF}", "a\u{1}b", String(repeating: "x", count: 65_535),
    ]

    @Test(arguments: validNames) func nameIsValid(name: String) throws {
        #expect(try TopicName(name).string == name)
    }

    static let invalidNames = [
        ("", "MQTT-4.7.3-1"), ("a\0", "MQTT-4.7.3-2"), ("\0", "MQTT-4.7.3-2"), ("#", "MQTT-3.3.2-2"), ("+", "MQTT-3.3.2-2"),
        ("a/+/b", "MQTT-3.3.2-2"), ("a#", "MQTT-3.3.2-2"), ("sport+", "MQTT-3.3.2-2"),
        (String(repeating: "x", count: 65_536), "MQTT-4.7.3-3"),
        (String(repeating: "é", count: 32_768), "MQTT-4.7.3-3"),
    ]

    @Test(arguments: invalidNames) func nameIsInvalid(name: String, citation: String) {
        let error = #expect(throws: MQTTError.self) { try TopicName(name) }
        #expect(error?.citation == citation)
        #expect(error?.code == .invalidArgument)
    }

    /// The examples of sections 4.7.1.2 and 4.7.1.3, and their edges.
    static let validFilters =
        validNames + [
            "sport/tennis/player1/#", "sport/#", "#", "sport/tennis/#", "+", "+/tennis/#", "sport/+/player1", "/+", "+/+", "/#", "//#",
            "+//",
            "$SYS/#", "+/", "a/+",
        ]

    @Test(arguments: validFilters) func filterIsValid(filter: String) throws {
        #expect(try TopicFilter(filter).string == filter)
    }

    static let invalidFilters = [
        ("", "MQTT-4.7.3-1"), ("a\0", "MQTT-4.7.3-2"), (String(repeating: "x", count: 65_536), "MQTT-4.7.3-3"),
        ("sport/tennis#", "MQTT-4.7.1-2"), ("sport/tennis/#/ranking", "MQTT-4.7.1-2"), ("#/", "MQTT-4.7.1-2"), ("##", "MQTT-4.7.1-2"),
        ("#a", "MQTT-4.7.1-2"), ("a/#b", "MQTT-4.7.1-2"), ("#+", "MQTT-4.7.1-2"),
        ("sport+", "MQTT-4.7.1-3"), ("+sport", "MQTT-4.7.1-3"), ("a/+b", "MQTT-4.7.1-3"), ("a/b+/c", "MQTT-4.7.1-3"),
        ("++", "MQTT-4.7.1-3"),
        ("+#", "MQTT-4.7.1-3"),
    ]

    @Test(arguments: invalidFilters) func filterIsInvalid(filter: String, citation: String) {
        let error = #expect(throws: MQTTError.self) { try TopicFilter(filter) }
        #expect(error?.citation == citation)
        #expect(error?.fate == .denied)
    }

    /// Filter, topics that it matches, topics that it does not. The standard's examples come first.
    static let matches: [(String, yes: [String], no: [String])] = [
        (
            "sport/tennis/player1/#", ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"],
            ["sport/tennis", "sport/tennis/player10", "sport/tennis/player2/ranking"]
        ),
        ("sport/#", ["sport", "sport/", "sport/tennis"], ["sports", "/sport", ""]),
        ("#", ["a", "/", "a/b/c", "", "a/$SYS"], ["$SYS", "$SYS/x", "$"]),
        (
            "sport/tennis/+", ["sport/tennis/player1", "sport/tennis/player2", "sport/tennis/"],
            ["sport/tennis/player1/ranking", "sport/tennis"]
        ),
        ("sport/+", ["sport/", "sport/x"], ["sport", "sport/x/y"]),
        ("+/+", ["/finance", "a/b", "/"], ["finance", "/finance/", "$SYS/b"]),
        ("/+", ["/finance", "/"], ["finance", "/a/b"]),
        ("+", ["finance", ""], ["/finance", "$SYS", "finance/"]),
        ("+/monitor/Clients", ["a/monitor/Clients", "/monitor/Clients"], ["$SYS/monitor/Clients"]),
        ("$SYS/#", ["$SYS", "$SYS/a", "$SYS/a/b"], ["SYS/a", "$SYSa"]),
        ("$SYS/monitor/+", ["$SYS/monitor/Clients"], ["$SYS/monitor", "$SYS/monitor/a/b"]),
        ("+/tennis/#", ["a/tennis", "a/tennis/b/c"], ["a/b/tennis", "$a/tennis"]),
        ("a/b", ["a/b"], ["a/B", "a/b/", "/a/b", "a", "a/bc"]),
        ("/", ["/"], ["", "//", "a/"]),
        ("a//b", ["a//b"], ["a/b", "a/x/b"]),
        ("a/+/b", ["a//b", "a/x/b"], ["a/b"]),
        ("a/$b", ["a/$b"], ["a/b"]),
        ("a/+", ["a/$b"], []), ("ACCOUNTS", ["ACCOUNTS"], ["Accounts"]), ("Accounts payable", ["Accounts payable"], ["Accountspayable"]),
        ("Ω", ["\u{03A9}"], ["\u{2126}"]),
    ]

    @Test(arguments: matches) func matching(filter: String, yes: [String], no: [String]) throws {
        let filter = try TopicFilter(filter)
        for topic in yes { #expect(filter.matches(topic), "\(filter) and \(topic)") }
        for topic in no { #expect(!filter.matches(topic), "\(filter) and \(topic)") }
    }

    /// Against a second matcher, which knows nothing of bytes and slices, over all short texts.
    @Test func agreesWithAMatcherByRecursion() throws {
        func matches(_ filter: ArraySlice<String>, _ topic: ArraySlice<String>) -> Bool {
            guard let level = filter.first else { return topic.isEmpty }
            if level == "#" { return true }
            guard let next = topic.first else { return false }
            return (level == "+" || level == next) && matches(filter.dropFirst(), topic.dropFirst())
        }
        func texts(_ letters: [String], _ length: Int) -> [String] {
            length == 0 ? [""] : texts(letters, length - 1).flatMap { text in letters.map { text + $0 } }
        }
        func levels(_ text: String) -> ArraySlice<String> {
            text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)[...]
        }
        let filters = (1...4).flatMap { texts(["a", "/", "+", "#"], $0) }.filter { (try? TopicFilter($0)) != nil }
        let topics = (1...5).flatMap { texts(["a", "/"], $0) }
        #expect(filters.count > 40)
        for text in filters {
            let filter = try TopicFilter(text)
            for topic in topics where filter.matches(topic) != matches(levels(text), levels(topic)) {
                Issue.record("\(text) and \(topic)")
            }
        }
    }

    @Test func canonicalEquivalenceIsNotEquality() throws {
        let composed = "caf\u{E9}"
        let decomposed = "cafe\u{301}"
        #expect(composed == decomposed, "Swift's strings are equal")
        #expect(try TopicName(composed) != TopicName(decomposed))
        #expect(try TopicFilter(composed) != TopicFilter(decomposed))
        #expect(try !TopicFilter(composed).matches(decomposed))
        #expect(try !TopicFilter(composed + "/#").matches(decomposed + "/x"))
        #expect(try Set([TopicName(composed), TopicName(decomposed), TopicName(composed)]).count == 2)
        #expect(try Set([TopicFilter(composed), TopicFilter(decomposed), TopicFilter(composed)]).count == 2)
    }

    @Test func aCombiningCharacterIsNoPartOfAWildcardOrSlash() throws {
        // As characters, "+" with an accent is one, and is no "+". As bytes, it is a misplaced wildcard.
        #expect(throws: MQTTError.self) { try TopicFilter("+\u{301}") }
        #expect(throws: MQTTError.self) { try TopicFilter("#\u{301}") }
        #expect(throws: MQTTError.self) { try TopicName("a+\u{301}") }
        #expect(try TopicFilter("a/+/b").matches("a/\u{301}/b"))
    }
}
