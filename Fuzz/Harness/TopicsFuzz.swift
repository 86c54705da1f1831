@testable import BrokerModel
@testable import MQTTCore

/// Two implementations, written apart, agree on what is a text, a topic name and a topic filter, and on which match; so does the tree.
///
/// The input is texts between zeros.
func fuzzTopics(_ bytes: [UInt8]) {
    let texts = bytes.split(separator: 0, omittingEmptySubsequences: false).prefix(24).map { Array($0) }
    var filters: [TopicFilter] = []
    var topics: [TopicName] = []
    for text in texts {
        let isWellFormed = UTF8Rules.violation(in: text.span, 0..<text.count) == nil
        let string = String(validating: text, as: UTF8.self)
        require(isWellFormed == (string != nil), "\(text) is text to one")
        require(isWellFormed == holds { () throws(Breach) in try BrokerText.check(text, 0..<text.count) }, "\(text) is text to one side")
        guard let string else { continue }
        require(
            (TopicName.violation(in: text.span, 0..<text.count) == nil) == ((try? TopicName(string)) != nil), "\(string): topic to one")
        if let topic = try? TopicName(string) { topics.append(topic) }
        if let filter = try? TopicFilter(string) { filters.append(filter) }
        require(
            (topics.last?.string.utf8.elementsEqual(text) ?? false)
                == holds { () throws(Breach) in try BrokerText.checkTopicName(text, 0..<text.count) },
            "\(string) is a topic name to one side")
        require(
            (filters.last?.string.utf8.elementsEqual(text) ?? false)
                == holds { () throws(Breach) in try BrokerText.checkFilter(text, 0..<text.count) },
            "\(string) is a filter to one side")
    }
    compareMatches(filters, topics)
}

private func holds(_ check: () throws(Breach) -> Void) -> Bool {
    do {
        try check()
        return true
    } catch { return false }
}

private func compareMatches(_ filters: [TopicFilter], _ topics: [TopicName]) {
    var tree = TopicTree()
    for (index, filter) in filters.enumerated() { tree.insert(filter.string, index) }
    for round in 0..<2 {
        for topic in topics {
            let expected = filters.indices.filter { index in
                // In the second round every other filter is gone.
                (round == 0 || index % 2 == 0) && matches(filters[index], topic)
            }
            let found = tree.matches(topic.string).sorted()
            require(found == expected, "\(topic) has \(found) in the tree, one by one \(expected)")
        }
        for index in filters.indices where index % 2 == 1 { tree.remove(filters[index].string, index) }
    }
    for index in filters.indices { tree.remove(filters[index].string, index) }
    for topic in topics { require(tree.matches(topic.string).isEmpty, "the tree is not empty") }
}

private func matches(_ filter: TopicFilter, _ topic: TopicName) -> Bool {
    let matches = filter.matches(topic.string)
    let other = BrokerText.matches(filter: Array(filter.string.utf8), topic: Array(topic.string.utf8))
    require(matches == other, "\(filter) matches \(topic) to one side")
    return matches
}
