/// A queue that also gives up elements from its middle, in order of arrival, at constant cost at both ends.
struct BrokerBacklog<Element> {
    /// Taken elements become nil at once, so that nothing holds their payloads.
    private var slots: [Element?] = []
    private var head = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// Positions that may hold an element; stable until the next `append`.
    var positions: Range<Int> { head..<slots.count }

    subscript(position: Int) -> Element? {
        get { slots[position] }
        _modify { yield &slots[position] }
    }

    mutating func append(_ element: Element) {
        // Gaps stay fewer than elements, even behind a first one that never leaves.
        if slots.count > 32, slots.count > 2 * count {
            slots.removeAll { if case nil = $0 { true } else { false } }
            head = 0
        }
        slots.append(element)
        count += 1
    }

    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        return remove(at: head)
    }

    @discardableResult
    mutating func remove(at position: Int) -> Element? {
        guard let element = slots[position] else { return nil }
        slots[position] = nil
        count -= 1
        while head < slots.count, slots[head] == nil { head += 1 }
        if count == 0 {
            slots.removeAll(keepingCapacity: slots.count <= 1024)
            head = 0
        }
        return element
    }

    mutating func removeAll() {
        slots.removeAll()
        head = 0
        count = 0
    }

    /// The first element, if there is one.
    var first: Element? { count == 0 ? nil : slots[head] }
}

extension BrokerBacklog: Sendable where Element: Sendable {}

/// A set of packet identifiers. It costs nothing while empty and 8 KiB from the first member on.
struct BrokerIDSet: Sendable {
    private var words: [UInt64] = []

    func contains(_ id: UInt16) -> Bool {
        !words.isEmpty && words[Int(id >> 6)] & (1 << UInt64(id & 63)) != 0
    }

    mutating func insert(_ id: UInt16) {
        if words.isEmpty { words = [UInt64](repeating: 0, count: 1024) }
        words[Int(id >> 6)] |= 1 << UInt64(id & 63)
    }

    mutating func remove(_ id: UInt16) {
        if !words.isEmpty { words[Int(id >> 6)] &= ~(1 << UInt64(id & 63)) }
    }
}
