/// How long to wait before the next attempt to connect.
///
/// The pause is random in the upper half of a bound that doubles from the minimum to the maximum while attempts fail,
/// and never below the minimum.
struct Reconnection: Sendable, Equatable {
    private let minimum: Int64
    private let maximum: Int64
    private let stableTime: Int64
    private var bound: Int64
    private var generator: SeededGenerator
    private var onlineSince: Instant?
    /// Whether an attempt failed since the last connection that was accepted.
    private(set) var hasFailed = false

    init(minimum: Int64, maximum: Int64, stableTime: Int64, seed: UInt64) {
        self.minimum = minimum
        self.maximum = max(minimum, maximum)
        self.stableTime = stableTime
        bound = minimum
        generator = SeededGenerator(seed: seed)
    }

    mutating func online(at now: Instant) {
        onlineSince = now
        hasFailed = false
    }

    /// When to try again after a failed attempt, or after the loss of a connection that was online.
    mutating func next(after loss: LinkLoss, at now: Instant) -> Instant {
        if let onlineSince {
            // Only a connection that stayed is a reason to be quick again: a broker that kicks at once must not be hammered.
            if now - onlineSince >= stableTime { bound = minimum }
        } else {
            hasFailed = true
        }
        onlineSince = nil
        if case .refused = loss { bound = maximum }
        return pause(from: now)
    }

    /// From now on as after a good connection.
    mutating func startOver() {
        bound = minimum
        hasFailed = false
    }

    /// The end of a pause that is not the one of ``next(after:at:)``.
    mutating func pause(_ pace: Pace, from now: Instant) -> Instant {
        switch pace {
        case .now: return now
        case .soon: return now + minimum
        case .slow:
            bound = maximum
            return pause(from: now)
        case .never: return .never
        }
    }

    private mutating func pause(from now: Instant) -> Instant {
        let pause = max(minimum, bound - Int64.random(in: 0...(bound / 2), using: &generator))
        bound = bound > maximum / 2 ? maximum : min(maximum, max(bound * 2, 1))
        return now + pause
    }
}
