/// The topics of a broker as a tree, with what was seen of each.
struct TopicForest {
    struct Node {
        let name: String
        let parent: Int
        /// By name, to find them.
        var children: [String: Int] = [:]
        var value: Value?
        /// Messages here and below.
        var count = 0
        var countBefore = 0
        /// Messages here and below, in a second.
        var rate = 0.0
    }

    struct Value {
        var preview: String
        var size: Int
        var isRetained: Bool
        var seconds: Double
    }

    /// Memory is bounded: topics beyond are counted, not shown.
    static let limit = 200_000
    static let root = 0

    private(set) var nodes = [Node(name: "", parent: -1)]
    private(set) var topicCount = 0
    private(set) var messageCount = 0
    private(set) var hidden = 0
    private var measured = 0.0

    /// - Parameter seconds: A clock that never goes back.
    mutating func record(_ topic: String, preview: String, size: Int, isRetained: Bool, at seconds: Double) {
        messageCount += 1
        guard let index = node(topic) else {
            hidden += 1
            return
        }
        if nodes[index].value == nil { topicCount += 1 }
        nodes[index].value = Value(preview: preview, size: size, isRetained: isRetained, seconds: seconds)
        var above = index
        while above >= 0 {
            nodes[above].count += 1
            above = nodes[above].parent
        }
    }

    /// Takes new rates, from what came since the last time.
    mutating func measure(at seconds: Double) {
        let span = seconds - measured
        guard span > 0 else { return }
        measured = seconds
        for index in nodes.indices {
            let latest = Double(nodes[index].count - nodes[index].countBefore) / span
            nodes[index].countBefore = nodes[index].count
            // Half of it at a time, so that the eye can follow; and what is almost nothing is nothing.
            let smooth = (nodes[index].rate + latest) / 2
            nodes[index].rate = smooth < 0.05 ? 0 : smooth
        }
    }

    private mutating func node(_ topic: String) -> Int? {
        var index = Self.root
        for level in topic.split(separator: "/", omittingEmptySubsequences: false) {
            let name = String(level)
            if let child = nodes[index].children[name] {
                index = child
                continue
            }
            guard nodes.count < Self.limit else { return nil }
            nodes.append(Node(name: name, parent: index))
            nodes[index].children[name] = nodes.count - 1
            index = nodes.count - 1
        }
        return index
    }

    func topic(of index: Int) -> String {
        var levels: [String] = []
        var index = index
        while index > Self.root {
            levels.append(nodes[index].name)
            index = nodes[index].parent
        }
        return levels.reversed().joined(separator: "/")
    }
}
