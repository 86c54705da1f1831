// The ring that publishes are kept in, against a dictionary.
@_spi(Driver) import MQTTCore
import Testing

struct PagedRingTests {
    /// A ring, and what it has to be.
    private struct Pair {
        var ring: PagedRing<UInt64>
        var model: [UInt64: UInt64] = [:]
        var end: UInt64

        init(base: UInt64) {
            ring = PagedRing(base: base)
            end = base
        }

        mutating func insert(_ number: UInt64) {
            guard model[number] == nil else { return }
            ring.insert(number &* 3, at: number)
            model[number] = number &* 3
            end = max(end, number + 1)
        }

        mutating func remove(_ number: UInt64) {
            #expect(ring.remove(number) == model.removeValue(forKey: number))
        }

        /// Says where they differ; `around` are numbers to look at beside those that are there.
        func check(around: some Sequence<UInt64>) {
            let numbers = model.keys.sorted()
            #expect(Array(ring.numbers()) == numbers)
            #expect(ring.count == numbers.count && ring.isEmpty == numbers.isEmpty)
            #expect(ring.base == numbers.first ?? end)
            #expect(ring.end == end)
            for number in around {
                #expect(ring[number] == model[number], "number \(number)")
                #expect(ring.contains(number) == (model[number] != nil))
                #expect(ring.next(from: number) == numbers.first { $0 >= number })
            }
        }
    }

    @Test func appendsAndRemovesInOrder() {
        var pair = Pair(base: 1_000)
        for number in 1_000..<5_000 as Range<UInt64> {
            pair.ring.append(number &* 3)
            pair.model[number] = number &* 3
            pair.end = number + 1
            if number >= 1_100 { pair.remove(number - 100) }
        }
        pair.check(around: 4_800..<5_010)
    }

    @Test func theOldestMayStayWhileManyComeAndGo() {
        var pair = Pair(base: 0)
        pair.insert(0)
        for number in 1..<20_000 as Range<UInt64> {
            pair.insert(number)
            pair.remove(number)
        }
        pair.check(around: stride(from: 0, to: 20_000, by: 64))
        pair.insert(20_000)
        pair.remove(0)
        #expect(pair.ring.base == 20_000)
        pair.check(around: 19_900..<20_100)
    }

    @Test func growsOnBothSides() {
        var pair = Pair(base: 10_000)
        for step in 0..<40 as Range<UInt64> {
            pair.insert(10_000 + step * 97)
            pair.insert(10_000 - step * 131)
        }
        pair.check(around: 4_800..<14_000)
    }

    @Test func numbersThatWereLeftOutAreNotThere() {
        var pair = Pair(base: 0)
        pair.insert(5)
        // 5 and 261 would share a place in a ring of four pages.
        pair.ring.skip(to: 2_000)
        pair.end = 2_000
        pair.check(around: 0..<2_100)
        pair.ring.append(6_000)
        pair.model[2_000] = 6_000
        pair.end = 2_001
        pair.check(around: 0..<2_100)
    }

    @Test func anEmptyRingTakesANumberFarBelowItsEnd() {
        var pair = Pair(base: 3_000)
        pair.insert(10)
        pair.check(around: 0..<3_100)
        pair.insert(2_999)
        pair.check(around: 0..<3_100)
        pair.remove(10)
        pair.remove(2_999)
        pair.check(around: 2_990..<3_010)
    }

    @Test func goesOnWhereItWasWhenEverythingIsRemoved() {
        var ring = PagedRing<Int>(base: 7)
        for value in 0..<300 { ring.append(value) }
        ring.removeAll()
        #expect(ring.isEmpty && ring.base == 307 && ring.end == 307)
        ring.append(1)
        #expect(ring[307] == 1 && ring[306] == nil && ring[308] == nil)
    }

    @Test func changesInPlace() {
        var ring = PagedRing<[Int]>(base: 0)
        ring.append([1])
        ring[present: 0].append(2)
        #expect(ring[0] == [1, 2] && ring[present: 0] == [1, 2])
    }

    @Test func equalIsWhatHoldsTheSame() {
        var (one, two) = (PagedRing<Int>(base: 0), PagedRing<Int>(base: 0))
        for value in 0..<500 { one.append(value) }
        for value in 0..<500 { two.append(value) }
        #expect(one == two)
        for number in 0..<499 as Range<UInt64> { one.remove(number) }
        #expect(one != two)
        for number in (0..<499 as Range<UInt64>).reversed() { two.remove(number) }
        #expect(one == two)
        two[present: 499] = 0
        #expect(one != two)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func anyOperations(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let start = UInt64.random(in: 0...1 << 40, using: &random) + 100_000
        var pair = Pair(base: start)
        let spread = [10, 200, 5_000].randomElement(using: &random) ?? 10 as UInt64
        for step in 0..<2_000 {
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<40: pair.insert(pair.end)
            case 40..<50: pair.insert(pair.end - UInt64.random(in: 0...min(spread, 90_000), using: &random))
            case 50..<55: pair.insert(pair.end + UInt64.random(in: 0...spread, using: &random))
            case 55..<75: pair.remove(pair.ring.base)
            case 75..<95: if let number = pair.model.keys.sorted().randomElement(using: &random) { pair.remove(number) }
            case 95..<97:
                let target = pair.end + UInt64.random(in: 0...spread, using: &random)
                pair.ring.skip(to: target)
                pair.end = target
            case 97: while let last = pair.model.keys.min() { pair.remove(last) }
            default: pair.remove(pair.end + 5)
            }
            guard step % 20 == 0 else { continue }
            let around = (0..<60).map { _ in pair.ring.base - 10 + UInt64.random(in: 0...(pair.end - pair.ring.base + 20), using: &random) }
            pair.check(around: around)
        }
    }
}
