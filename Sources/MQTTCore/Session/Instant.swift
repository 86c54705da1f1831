/// A point in time on the caller's clock, in nanoseconds. The core never reads a clock.
package struct Instant: Sendable, Hashable, Comparable, BitwiseCopyable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Later than all others. No timer is set for it.
    package static let never = Instant(nanoseconds: .max)

    package static func < (lhs: Instant, rhs: Instant) -> Bool { lhs.nanoseconds < rhs.nanoseconds }

    /// Saturates, so that no configuration overflows.
    package static func + (lhs: Instant, nanoseconds: Int64) -> Instant {
        let (sum, overflow) = lhs.nanoseconds.addingReportingOverflow(nanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    package static func - (lhs: Instant, rhs: Instant) -> Int64 { lhs.nanoseconds &- rhs.nanoseconds }
}

extension Duration {
    /// Whole nanoseconds, saturated.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, sumOverflow) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return sumOverflow ? (seconds < 0 ? .min : .max) : sum
    }
}

/// A small generator of random numbers (SplitMix64), so that jitter is a function of the seed.
package struct SeededGenerator: RandomNumberGenerator, Sendable, Equatable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
