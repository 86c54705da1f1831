/// Elements by consecutive numbers, which may leave in any order: a ring of small pages, of which the empty ones take no memory.
///
/// So the oldest element may stay for long while millions behind it come and go, and a long backlog costs what is in it.
///
/// All of it can be inlined: the driver has a ring of its own elements, and without that each access looks up their type at run time, which
/// was a third of the samples in a profile of publishing at QoS 1.
package struct PagedRing<Element> {
    @usableFromInline package static var pageLength: UInt64 { 64 }

    @usableFromInline package struct Page {
        @usableFromInline var slots = [Element?](repeating: nil, count: Int(pageLength))
        @usableFromInline var count = 0

        @inlinable init() {}
    }

    @usableFromInline var pages: [Page?] = []
    /// An empty page, so that a short queue does not ask for memory again and again.
    @usableFromInline var spare: Page?
    /// The number of the oldest element; `end` when there is none.
    @usableFromInline package internal(set) var base: UInt64
    /// One past the newest number that was given.
    @usableFromInline package internal(set) var end: UInt64
    @usableFromInline package internal(set) var count = 0

    @inlinable package init(base: UInt64) {
        self.base = base
        end = base
    }

    @inlinable package var isEmpty: Bool { count == 0 }

    @inlinable package func contains(_ number: UInt64) -> Bool { self[number] != nil }

    /// The element of that number, when it is there.
    @inlinable package subscript(number: UInt64) -> Element? {
        guard number >= base, number < end else { return nil }
        return pages[page(number)]?.slots[slot(number)]
    }

    /// The element of a number that is there.
    @inlinable package subscript(present number: UInt64) -> Element {
        get {
            precondition(contains(number), "the number is not in the ring")
            // It was just seen to be there.
            return self[number]!
        }
        _modify {
            precondition(contains(number), "the number is not in the ring")
            let (page, slot) = (page(number), slot(number))
            // Both were just seen to be there.
            yield &pages[page]!.slots[slot]!
        }
    }

    /// Adds an element under the number `end`.
    @inlinable package mutating func append(_ element: Element) { insert(element, at: end) }

    /// Adds an element under a number that is not there.
    @inlinable package mutating func insert(_ element: Element, at number: UInt64) {
        let first = isEmpty ? number : Swift.min(base, number)
        // Up to the end, also where nothing is: two numbers of the ring never share a place.
        reach(from: first, to: Swift.max(end, number + 1) - 1)
        base = first
        end = Swift.max(end, number + 1)
        let (index, slot) = (page(number), slot(number))
        if pages[index] == nil {
            pages[index] = spare ?? Page()
            spare = nil
        }
        precondition(pages[index]?.slots[slot] == nil, "the number is in the ring")
        pages[index]?.slots[slot] = element
        pages[index]?.count += 1
        count += 1
    }

    /// Leaves out the numbers up to this one.
    @inlinable package mutating func skip(to number: UInt64) {
        guard number > end else { return }
        // Numbers that are left out have places too: else each would have that of another.
        if isEmpty { base = number } else { reach(from: base, to: number - 1) }
        end = number
    }

    /// Removes the element of that number, if it is there.
    @discardableResult @inlinable package mutating func remove(_ number: UInt64) -> Element? {
        guard let element = self[number] else { return nil }
        let (index, slot) = (page(number), slot(number))
        pages[index]?.slots[slot] = nil
        pages[index]?.count -= 1
        count -= 1
        if pages[index]?.count == 0 {
            spare = pages[index]
            pages[index] = nil
        }
        if number == base { base = next(from: number + 1) ?? end }
        if isEmpty, pages.count > 16 { pages = [] }
        return element
    }

    /// Removes everything, and goes on at the number that was next.
    @inlinable package mutating func removeAll() {
        self = PagedRing(base: end)
    }

    /// The first number from `number` on that is there.
    @inlinable package func next(from number: UInt64) -> UInt64? {
        var number = Swift.max(number, base)
        while number < end {
            let index = page(number)
            if pages[index] == nil {
                number = (number / Self.pageLength + 1) * Self.pageLength
            } else if pages[index]?.slots[slot(number)] != nil {
                return number
            } else {
                number += 1
            }
        }
        return nil
    }

    /// The numbers that are there, from `number` on, in order. Do not change the ring meanwhile: it would be copied.
    @inlinable package func numbers(from number: UInt64 = 0) -> some Sequence<UInt64> {
        sequence(state: number) { state in
            guard let found = next(from: state) else { return nil }
            state = found + 1
            return found
        }
    }

    @inlinable func page(_ number: UInt64) -> Int { Int(truncatingIfNeeded: number / Self.pageLength) & (pages.count - 1) }

    @inlinable func slot(_ number: UInt64) -> Int { Int(truncatingIfNeeded: number % Self.pageLength) }

    /// Makes room for the pages of these numbers, each at a place of its own. All from `base` to `end` are among them.
    @inlinable mutating func reach(from first: UInt64, to last: UInt64) {
        let wanted = Int(last / Self.pageLength - first / Self.pageLength) + 1
        guard wanted > pages.count else { return }
        var larger = [Page?](repeating: nil, count: Swift.max(4, 1 << (Int.bitWidth - (wanted - 1).leadingZeroBitCount)))
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
    package static func == (lhs: PagedRing, rhs: PagedRing) -> Bool {
        lhs.base == rhs.base && lhs.end == rhs.end && lhs.count == rhs.count && lhs.numbers().allSatisfy { lhs[$0] == rhs[$0] }
    }
}
