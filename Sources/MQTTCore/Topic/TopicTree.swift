/// Topic filters with their subscribers. Finding those of a topic costs by its levels, not by the number of filters.
package struct TopicTree: Sendable {
    private struct Node: Sendable {
        var children: [[UInt8]: Int] = [:]
        var subscribers: [Int] = []
        var parent: Int
    }

    private static let root = 0
    private static let oneLevel: [UInt8] = [UInt8(ascii: "+")]
    private static let allLevels: [UInt8] = [UInt8(ascii: "#")]

    private var nodes = [Node(parent: -1)]
    private var free: [Int] = []

    package init() {}

    /// The filter has been checked, see ``TopicFilter``.
    package mutating func insert(_ filter: String, _ subscriber: Int) {
        var node = Self.root
        for level in Self.levels(filter) {
            if let child = nodes[node].children[level] {
                node = child
                continue
            }
            let child = add(parent: node)
            nodes[node].children[level] = child
            node = child
        }
        nodes[node].subscribers.append(subscriber)
    }

    package mutating func remove(_ filter: String, _ subscriber: Int) {
        var node = Self.root
        let levels = Self.levels(filter)
        for level in levels {
            guard let child = nodes[node].children[level] else { return }
            node = child
        }
        guard let index = nodes[node].subscribers.firstIndex(of: subscriber) else { return }
        nodes[node].subscribers.remove(at: index)
        for level in levels.reversed() where nodes[node].subscribers.isEmpty && nodes[node].children.isEmpty {
            let parent = nodes[node].parent
            nodes[parent].children[level] = nil
            free.append(node)
            node = parent
        }
    }

    /// The subscribers of all filters that match, each as often as it has such a filter.
    package func matches(_ topic: String) -> [Int] {
        let levels = Self.levels(topic)
        // Filters that begin with a wildcard do not match topics that begin with $ [MQTT-4.7.2-1].
        let isReserved = levels.first?.first == UInt8(ascii: "$")
        var found: [Int] = []
        var frontier = [Self.root]
        for (depth, level) in levels.enumerated() {
            var next: [Int] = []
            for node in frontier {
                let allowsWildcards = depth > 0 || !isReserved
                if allowsWildcards, let rest = nodes[node].children[Self.allLevels] { found += nodes[rest].subscribers }
                if allowsWildcards, let one = nodes[node].children[Self.oneLevel] { next.append(one) }
                if let exact = nodes[node].children[level] { next.append(exact) }
            }
            if next.isEmpty { return found }
            frontier = next
        }
        for node in frontier {
            found += nodes[node].subscribers
            // "sport/#" also matches "sport" (section 4.7.1.2).
            if let rest = nodes[node].children[Self.allLevels] { found += nodes[rest].subscribers }
        }
        return found
    }

    private mutating func add(parent: Int) -> Int {
        if let reused = free.popLast() {
            nodes[reused] = Node(parent: parent)
            return reused
        }
        nodes.append(Node(parent: parent))
        return nodes.count - 1
    }

    private static func levels(_ text: String) -> [[UInt8]] {
        text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { Array($0) }
    }
}
