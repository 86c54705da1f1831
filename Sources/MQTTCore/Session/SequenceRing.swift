/// Elements by consecutive numbers, of which the oldest leave first: look-up is an index into a ring, whatever the numbers are.
package struct SequenceRing<Element> {
    @usableFromInline var slots: [Element?] = []
    /// The number of the oldest element.
    @usableFromInline package private(set) var base: UInt64
    /// One past the number of the newest element.
    @usableFromInline package private(set) var end: UInt64

    package init(base: UInt64) {
        self.base = base
        end = base
    }

    package var count: Int { Int(end - base) }
    package var isEmpty: Bool { base == end }

    package func contains(_ number: UInt64) -> Bool { number >= base && number < end }

    /// The element of a number that the ring contains.
    package subscript(number: UInt64) -> Element {
        get {
            precondition(contains(number), "the number is not in the ring")
            // A slot within base..<end is never nil.
            return slots[slot(number)]!
        }
        _modify {
            precondition(contains(number), "the number is not in the ring")
            // A slot within base..<end is never nil.
            yield &slots[slot(number)]!
        }
    }

    package mutating func append(_ element: Element) {
        if count == slots.count { grow() }
        slots[slot(end)] = element
        end += 1
    }

    package mutating func removeFirst() {
        precondition(!isEmpty, "the ring is empty")
        slots[slot(base)] = nil
        base += 1
        if isEmpty, slots.count > 1_024 { slots = [] }
    }

    /// Removes everything, and goes on at the number that was next.
    package mutating func removeAll() {
        slots = []
        base = end
    }

    private func slot(_ number: UInt64) -> Int { Int(truncatingIfNeeded: number) & (slots.count - 1) }

    private mutating func grow() {
        var larger = [Element?](repeating: nil, count: max(8, slots.count * 2))
        for number in base..<end { larger[Int(truncatingIfNeeded: number) & (larger.count - 1)] = slots[slot(number)] }
        slots = larger
    }
}

extension SequenceRing: Sendable where Element: Sendable {}

extension SequenceRing: Equatable where Element: Equatable {
    package static func == (lhs: SequenceRing, rhs: SequenceRing) -> Bool {
        lhs.base == rhs.base && lhs.end == rhs.end && (lhs.base..<lhs.end).allSatisfy { lhs[$0] == rhs[$0] }
    }
}
