// The tree against the filters one by one.
import MQTTCore
import Testing

struct TopicTreeTests {
    private static let topics = ["a", "a/b", "a/b/c", "/", "/a", "a/", "", "b", "b/c", "$SYS", "$SYS/a", "a/$b", "a//b"]
    private static let filters = [
        "a", "#", "+", "a/#", "a/+", "+/b", "+/+", "/#", "/+", "a/b/#", "$SYS/#", "$SYS/+", "+/a", "a/+/b", "#", "a",
    ]

    @Test func findsWhatTheFiltersMatch() throws {
        var tree = TopicTree()
        let filters = try TopicTreeTests.filters.map { try TopicFilter($0) }
        for (subscriber, filter) in filters.enumerated() { tree.insert(filter.string, subscriber) }
        for topic in TopicTreeTests.topics {
            let expected = filters.indices.filter { filters[$0].matches(topic) }
            #expect(tree.matches(topic).sorted() == expected, "\(topic)")
        }
    }

    @Test func anyOrderOfInsertionsAndRemovals() throws {
        var random = SeededGenerator(seed: 7)
        var tree = TopicTree()
        var entries: [(filter: TopicFilter, subscriber: Int)] = []
        let filters = try TopicTreeTests.filters.map { try TopicFilter($0) }
        for step in 0..<2_000 {
            if entries.count < 30, Bool.random(using: &random) || entries.isEmpty {
                let filter = filters[Int.random(in: 0..<filters.count, using: &random)]
                tree.insert(filter.string, step)
                entries.append((filter, step))
            } else {
                let (filter, subscriber) = entries.remove(at: Int.random(in: 0..<entries.count, using: &random))
                tree.remove(filter.string, subscriber)
                tree.remove(filter.string, subscriber)
                tree.remove("never/was/there", subscriber)
            }
            let topic = TopicTreeTests.topics[step % TopicTreeTests.topics.count]
            #expect(tree.matches(topic).sorted() == entries.filter { $0.filter.matches(topic) }.map(\.subscriber).sorted())
        }
    }

    @Test func canonicalEquivalenceIsNotEquality() {
        var tree = TopicTree()
        tree.insert("caf\u{E9}", 1)
        #expect(tree.matches("cafe\u{301}") == [])
        tree.remove("cafe\u{301}", 1)
        #expect(tree.matches("caf\u{E9}") == [1])
    }
}
