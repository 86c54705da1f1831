/// What is shown of a forest, and how keys change it. It knows no terminal: in go keys and sizes, out come lines.
struct WatchView {
    enum Order: Equatable {
        case name, rate
    }

    /// A line of the tree.
    struct Row: Equatable {
        let node: Int
        let depth: Int
    }

    let broker: String
    private(set) var order: Order
    private(set) var expanded: Set<Int> = []
    private(set) var isEverythingExpanded: Bool
    private(set) var collapsed: Set<Int> = []
    private(set) var search = ""
    private(set) var isSearching = false
    private(set) var isPaused = false
    private(set) var isEnded = false
    private(set) var selected = 0
    private var top = 0
    /// The topic that is selected: it stays so when others come.
    private var selectedNode: Int?

    init(broker: String, order: Order, expandsAll: Bool, search: String = "") {
        self.broker = broker
        self.order = order
        self.search = search
        isEverythingExpanded = expandsAll
    }

    // MARK: Keys

    mutating func press(_ key: Key, _ forest: TopicForest, height: Int) {
        if isSearching { return type(key) }
        let rows = rows(of: forest)
        place(rows)
        switch key {
        case .up, .character("k"): selected -= 1
        case .down, .character("j"): selected += 1
        case .pageUp: selected -= max(height - 4, 1)
        case .pageDown: selected += max(height - 4, 1)
        case .home, .character("g"): selected = 0
        case .end, .character("G"): selected = rows.count - 1
        case .right, .character("l"): if let row = current(rows) { setExpanded(row.node, true) }
        case .left, .character("h"): if let row = current(rows) { goLeft(row, forest, rows) }
        case .enter, .character(" "): if let row = current(rows) { setExpanded(row.node, !isExpanded(row.node)) }
        case .character("e"): expandAll(true)
        case .character("c"): expandAll(false)
        case .character("s"): order = order == .name ? .rate : .name
        case .character("p"): isPaused.toggle()
        case .character("/"): isSearching = true
        case .character("q"): isEnded = true
        case .escape: search = ""
        case .backspace, .character: break
        }
        selected = min(max(selected, 0), max(rows.count - 1, 0))
        // Those have chosen a topic themselves, and changed the rows.
        if [.enter, .left, .right, .character(" "), .character("h"), .character("l")].contains(key) { return }
        selectedNode = current(rows)?.node
    }

    private mutating func type(_ key: Key) {
        switch key {
        case .enter: isSearching = false
        case .escape: (isSearching, search) = (false, "")
        case .backspace: if !search.isEmpty { search.removeLast() }
        case .character(let character): search.append(character)
        case .up, .down, .left, .right, .pageUp, .pageDown, .home, .end: isSearching = false
        }
        selectedNode = nil
        selected = 0
    }

    private mutating func goLeft(_ row: Row, _ forest: TopicForest, _ rows: [Row]) {
        if isExpanded(row.node), !forest.nodes[row.node].children.isEmpty { return setExpanded(row.node, false) }
        let parent = forest.nodes[row.node].parent
        guard let index = rows.firstIndex(where: { $0.node == parent }) else { return }
        selected = index
        selectedNode = parent
    }

    private func current(_ rows: [Row]) -> Row? { rows.indices.contains(selected) ? rows[selected] : nil }

    private func isExpanded(_ node: Int) -> Bool { isEverythingExpanded ? !collapsed.contains(node) : expanded.contains(node) }

    private mutating func setExpanded(_ node: Int, _ isExpanded: Bool) {
        selectedNode = node
        if isExpanded {
            expanded.insert(node)
            collapsed.remove(node)
        } else {
            expanded.remove(node)
            collapsed.insert(node)
        }
    }

    private mutating func expandAll(_ isExpanded: Bool) {
        (isEverythingExpanded, expanded, collapsed) = (isExpanded, [], [])
    }

    /// Finds the selected topic again.
    private mutating func place(_ rows: [Row]) {
        if let selectedNode, let index = rows.firstIndex(where: { $0.node == selectedNode }) { selected = index }
        selected = min(max(selected, 0), max(rows.count - 1, 0))
    }

    // MARK: Rows

    /// The lines of the tree from top to bottom. A search shows what matches with all that is above it, expanded.
    func rows(of forest: TopicForest) -> [Row] {
        var rows: [Row] = []
        let matching = search.isEmpty ? nil : matches(in: forest)
        var stack: [Row] = []
        func push(_ node: Int, _ depth: Int) {
            for child in sortedChildren(of: node, forest).reversed() where matching?.contains(child) ?? true {
                stack.append(Row(node: child, depth: depth))
            }
        }
        push(TopicForest.root, 0)
        while let row = stack.popLast() {
            rows.append(row)
            if matching != nil || isExpanded(row.node) { push(row.node, row.depth + 1) }
        }
        return rows
    }

    private func sortedChildren(of node: Int, _ forest: TopicForest) -> [Int] {
        let children = forest.nodes[node].children.values
        switch order {
        case .name: return children.sorted { forest.nodes[$0].name < forest.nodes[$1].name }
        case .rate:
            return children.sorted { left, right in
                let (a, b) = (forest.nodes[left], forest.nodes[right])
                return a.rate != b.rate ? a.rate > b.rate : a.name < b.name
            }
        }
    }

    /// Topics that contain what is searched, and all above them.
    private func matches(in forest: TopicForest) -> Set<Int> {
        var found: Set<Int> = []
        let wanted = search.lowercased()
        for index in forest.nodes.indices.dropFirst() where forest.nodes[index].value != nil {
            guard forest.topic(of: index).lowercased().contains(wanted) else { continue }
            var node = index
            while node > TopicForest.root, found.insert(node).inserted { node = forest.nodes[node].parent }
        }
        return found
    }

    // MARK: Drawing

    /// Exactly as many lines as the terminal has rows, each of its width.
    mutating func lines(_ forest: TopicForest, size: Terminal.Size, at seconds: Double, connection: String) -> [String] {
        let rows = rows(of: forest)
        place(rows)
        let height = max(size.rows - 3, 1)
        if selected < top { top = selected }
        if selected >= top + height { top = selected - height + 1 }
        top = min(top, max(rows.count - height, 0))
        let layout = WatchLayout(columns: size.columns)
        var lines = [Style.bold + DisplayText.fit(headline(forest, connection), size.columns) + Style.plain]
        lines.append(
            Style.dim + layout.line(tree: "topic", rate: "rate", size: "size", age: "age", mark: " ", value: "value") + Style.plain)
        for (index, row) in rows.dropFirst(top).prefix(height).enumerated() {
            let line = line(of: row, forest, layout, at: seconds)
            lines.append(top + index == selected ? Style.reverse + line + Style.plain : line)
        }
        while lines.count < height + 2 { lines.append(String(repeating: " ", count: size.columns)) }
        lines.append(Style.dim + DisplayText.fit(footer, size.columns) + Style.plain)
        return Array(lines.prefix(max(size.rows, 1)))
    }

    private func headline(_ forest: TopicForest, _ connection: String) -> String {
        let rate = Quantity.decimal(forest.nodes[TopicForest.root].rate, 1)
        var text = "\(DisplayText.safe(broker))  \(connection)  \(Quantity.grouped(forest.topicCount)) topics"
        text += "  \(Quantity.grouped(forest.messageCount)) messages  \(rate)/s"
        if forest.hidden > 0 { text += "  \(Quantity.grouped(forest.hidden)) of topics not shown" }
        if order == .rate { text += "  by rate" }
        if isPaused { text += "  PAUSED" }
        return text
    }

    private var footer: String {
        if isSearching { return "search: \(DisplayText.safe(search))_   Enter keeps it, Esc ends it" }
        let filter = search.isEmpty ? "" : "showing: \(DisplayText.safe(search)) (Esc)  "
        return filter + "arrows move  Enter opens  e/c all open/closed  s sort  / search  p pause  q quit"
    }

    private func line(of row: Row, _ forest: TopicForest, _ layout: WatchLayout, at seconds: Double) -> String {
        let node = forest.nodes[row.node]
        let isOpen = !search.isEmpty || isExpanded(row.node)
        let sign = node.children.isEmpty ? "  " : isOpen ? "▾ " : "▸ "
        let name = node.name.isEmpty ? "(empty)" : DisplayText.safe(node.name)
        let below = node.children.isEmpty || isOpen ? "" : " (\(node.children.count))"
        return layout.line(
            tree: String(repeating: "  ", count: min(row.depth, 20)) + sign + name + below,
            rate: node.rate > 0 ? Quantity.decimal(node.rate, 1) : "", size: node.value.map { Quantity.bytes($0.size) } ?? "",
            age: node.value.map { Self.age(seconds - $0.seconds) } ?? "", mark: node.value?.isRetained == true ? "R" : " ",
            value: node.value?.preview ?? "")
    }

    static func age(_ seconds: Double) -> String {
        switch max(seconds, 0) {
        case ..<60: "\(Int(max(seconds, 0)))s"
        case ..<3_600: "\(Int(seconds / 60))m"
        case ..<86_400: "\(Int(seconds / 3_600))h"
        default: "\(Int(seconds / 86_400))d"
        }
    }

    private enum Style {
        static let plain = "\u{1b}[0m"
        static let bold = "\u{1b}[1m"
        static let dim = "\u{1b}[2m"
        static let reverse = "\u{1b}[7m"
    }
}

/// The columns, by what there is room for: the tree first, then the value, then the numbers.
struct WatchLayout {
    private let columns: Int
    private let tree: Int
    private let hasNumbers: Bool

    private static let numbers = 9 + 11 + 5 + 2

    init(columns: Int) {
        self.columns = columns
        hasNumbers = columns >= 60
        tree = hasNumbers ? max((columns - Self.numbers) * 45 / 100, 16) : columns / 2
    }

    func line(tree name: String, rate: String, size: String, age: String, mark: String, value: String) -> String {
        var text = DisplayText.fit(name, tree)
        if hasNumbers {
            text +=
                DisplayText.fit(rate, 9, toRight: true) + DisplayText.fit(size, 11, toRight: true) + DisplayText.fit(age, 5, toRight: true)
        }
        text += " " + mark
        return text + " " + DisplayText.fit(value, max(columns - tree - (hasNumbers ? Self.numbers : 2) - 1, 0))
    }
}
