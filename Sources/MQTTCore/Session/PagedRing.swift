/// Elements by consecutive numbers, which may leave in any order: a ring of small pages, of which the empty ones take no memory.
///
/// So the oldest element may stay for long while millions behind it come and go, and a long backlog costs what is in it.
///
/// Public to the driver alone, which has a ring of its own elements: what has package access is not specialised in another module (Swift
/// 6.3, `@inlinable` or not), and each access looked up the type at run time, a third of the samples in a profile of publishing at QoS 1.
@_spi(Driver) public struct PagedRing<Element> {
    @usableFromInline static var pageLength: UInt64 { UInt64(UInt64.bitWidth) }
    /// As many as are emptied by the acknowledgements of one read.
    @usableFromInline static var mostSpares: Int { 4 }

    @usableFromInline struct Page {
        /// None while the page holds nothing.
        @usableFromInline var slots: [Element?] = []
        /// A bit for each slot that holds something: to look without touching the elements, whose references would be counted.
        @usableFromInline var taken: UInt64 = 0

        @inlinable init() {}

        @inlinable mutating func put(_ element: Element, _ slot: Int) {
            slots[slot] = element
            taken |= 1 << UInt64(slot)
        }

        @inlinable mutating func take(_ slot: Int) -> Element? {
            taken &= ~(1 << UInt64(slot))
            return slots[slot].take()
        }
    }

    @usableFromInline var pages: [Page] = []
    /// The slots of a few empty pages, so that a queue does not ask for memory again and again.
    @usableFromInline var spares: [[Element?]] = []
    @usableFromInline var oldest: UInt64
    @usableFromInline var following: UInt64
    @usableFromInline var total = 0

    /// The number of the oldest element; `end` when there is none.
    @inlinable public var base: UInt64 { oldest }
    /// One past the newest number that was given.
    @inlinable public var end: UInt64 { following }
    @inlinable public var count: Int { total }

    @inlinable public init(base: UInt64) {
        oldest = base
        following = base
    }

    @inlinable public var isEmpty: Bool { count == 0 }

    @inlinable public func contains(_ number: UInt64) -> Bool {
        guard number >= oldest, number < following else { return false }
        return taken(page(number)) & (1 << UInt64(slot(number))) != 0
    }

    /// The element of that number, when it is there.
    @inlinable public subscript(number: UInt64) -> Element? {
        guard contains(number) else { return nil }
        return pages[page(number)].slots[slot(number)]
    }

    /// The element of a number that is there.
    @inlinable public subscript(present number: UInt64) -> Element {
        get {
            precondition(contains(number), "the number is not in the ring")
            // It was just seen to be there.
            return self[number]!
        }
        _modify {
            precondition(contains(number), "the number is not in the ring")
            // It was just seen to be there.
            yield &pages[page(number)].slots[slot(number)]!
        }
    }

    /// Adds an element under the number `end`.
    @inlinable public mutating func append(_ element: Element) { insert(element, at: end) }

    /// Adds an element under a number that is not there.
    @inlinable public mutating func insert(_ element: Element, at number: UInt64) {
        // Mostly the next one, in a page that holds others.
        if number == following, slot(number) != 0, !isEmpty, taken(page(number)) != 0 {
            pages[page(number)].put(element, slot(number))
            following += 1
            total += 1
            return
        }
        let first = isEmpty ? number : Swift.min(base, number)
        // Up to the end, also where nothing is: two numbers of the ring never share a place.
        reach(from: first, to: Swift.max(end, number + 1) - 1)
        oldest = first
        following = Swift.max(end, number + 1)
        let (index, slot) = (page(number), slot(number))
        if taken(index) == 0 {
            pages[index].slots = spares.popLast() ?? [Element?](repeating: nil, count: Int(Self.pageLength))
        }
        precondition(taken(index) & (1 << UInt64(slot)) == 0, "the number is in the ring")
        pages[index].put(element, slot)
        total += 1
    }

    /// Leaves out the numbers up to this one.
    @inlinable public mutating func skip(to number: UInt64) {
        guard number > end else { return }
        // Numbers that are left out have places too: else each would have that of another.
        if isEmpty { oldest = number } else { reach(from: base, to: number - 1) }
        following = number
    }

    /// Removes the element of that number, if it is there.
    @discardableResult @inlinable public mutating func remove(_ number: UInt64) -> Element? {
        guard contains(number) else { return nil }
        let index = page(number)
        let element = pages[index].take(slot(number))
        total -= 1
        if taken(index) == 0 {
            if spares.count < Self.mostSpares { spares.append(pages[index].slots) }
            pages[index].slots = []
        }
        if number == base { oldest = next(from: number + 1) ?? end }
        if isEmpty, spares.count > 1 { spares.removeLast(spares.count - 1) }
        if isEmpty, pages.count > 16 { pages = [] }
        return element
    }

    /// Removes everything, and goes on at the number that was next.
    @inlinable public mutating func removeAll() {
        self = PagedRing(base: end)
    }

    /// The first number from `number` on that is there.
    @inlinable public func next(from number: UInt64) -> UInt64? {
        var number = Swift.max(number, base)
        while number < end {
            let ahead = taken(page(number)) >> UInt64(slot(number))
            if ahead != 0 {
                number += UInt64(ahead.trailingZeroBitCount)
                return number < following ? number : nil
            }
            number = (number / Self.pageLength + 1) * Self.pageLength
        }
        return nil
    }

    /// The numbers that are there, from `number` on, in order. Do not change the ring meanwhile: it would be copied.
    @inlinable public func numbers(from number: UInt64 = 0) -> some Sequence<UInt64> {
        sequence(state: number) { state in
            guard let found = next(from: state) else { return nil }
            state = found + 1
            return found
        }
    }

    @inlinable func taken(_ page: Int) -> UInt64 { pages[page].taken }

    @inlinable func page(_ number: UInt64) -> Int { Int(truncatingIfNeeded: number / Self.pageLength) & (pages.count - 1) }

    @inlinable func slot(_ number: UInt64) -> Int { Int(truncatingIfNeeded: number % Self.pageLength) }

    /// Makes room for the pages of these numbers, each at a place of its own. All from `base` to `end` are among them.
    @inlinable mutating func reach(from first: UInt64, to last: UInt64) {
        let wanted = Int(last / Self.pageLength - first / Self.pageLength) + 1
        guard wanted > pages.count else { return }
        var larger = [Page](repeating: Page(), count: Swift.max(4, 1 << (Int.bitWidth - (wanted - 1).leadingZeroBitCount)))
        if !isEmpty {
            for number in base / Self.pageLength...(end - 1) / Self.pageLength {
                larger[Int(truncatingIfNeeded: number) & (larger.count - 1)] = pages[Int(truncatingIfNeeded: number) & (pages.count - 1)]
            }
        }
        pages = larger
    }
}

extension PagedRing: Sendable where Element: Sendable {}

extension PagedRing.Page: Sendable where Element: Sendable {}

extension PagedRing: Equatable where Element: Equatable {
    public static func == (lhs: PagedRing, rhs: PagedRing) -> Bool {
        lhs.base == rhs.base && lhs.end == rhs.end && lhs.count == rhs.count && lhs.numbers().allSatisfy { lhs[$0] == rhs[$0] }
    }
}
