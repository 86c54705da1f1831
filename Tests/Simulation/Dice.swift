import MQTTCore

/// Chance as a function of the seed.
package struct Dice: Sendable {
    private var generator: SeededGenerator

    package init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    package mutating func bits() -> UInt64 { generator.next() }

    /// 0 to `count - 1`. The tiny bias towards small numbers does not matter here.
    package mutating func below(_ count: Int) -> Int {
        Int(truncatingIfNeeded: generator.next().multipliedFullWidth(by: UInt64(max(1, count))).high)
    }

    package mutating func below(_ time: Int64) -> Int64 { Int64(below(Int(time))) }

    package mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

    /// True `chances` times out of `total`.
    package mutating func chance(_ chances: Int, in total: Int) -> Bool { below(total) < chances }

    package mutating func pick<Element>(_ choices: [Element]) -> Element { choices[below(choices.count)] }
}

package let microsecond: Int64 = 1_000
package let millisecond: Int64 = 1_000_000
package let second: Int64 = 1_000_000_000
