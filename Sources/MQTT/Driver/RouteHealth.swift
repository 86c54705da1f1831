/// Which of several brokers to go to next, by what became of earlier attempts.
///
/// The first in the list that is not to be avoided is the one. A broker is avoided for a while after it failed, the longer the more
/// often it failed in a row; when all are to be avoided, the one whose time is over first has its turn.
struct RouteHealth: Sendable, Equatable {
    private struct Memory: Sendable, Equatable {
        var failures = 0
        var avoidedUntil = Instant(nanoseconds: .min)
    }

    /// The time to stay away after the first failure. It doubles with each further one.
    static let leastPenalty: Int64 = 10_000_000_000
    static let longestPenalty: Int64 = 600_000_000_000

    private var memories: [Memory]
    /// A connection that was up for so long is good.
    private let stableTime: Int64
    private var onlineSince: Instant?
    /// The connection that was lost had been up for long: back to where the session is.
    private var returnsToCurrent = false
    /// The one that was chosen last.
    private(set) var current = 0

    init(count: Int, stableTime: Int64) {
        memories = Array(repeating: Memory(), count: count)
        self.stableTime = stableTime
    }

    /// Chooses where the next attempt goes.
    mutating func choose(at now: Instant) -> Int {
        if returnsToCurrent {
            returnsToCurrent = false
            return current
        }
        let usable = memories.firstIndex { $0.avoidedUntil <= now }
        current = usable ?? memories.indices.min { memories[$0].avoidedUntil < memories[$1].avoidedUntil } ?? 0
        return current
    }

    mutating func online(at now: Instant) { onlineSince = now }

    /// The attempt failed, or the connection is lost. Returns whether there is a better place to go to.
    mutating func lost(at now: Instant) -> Bool {
        let wasStable = onlineSince.map { now - $0 >= stableTime } ?? false
        onlineSince = nil
        // A connection that stayed says that the broker is good: it has the session, so it is asked first.
        if wasStable {
            memories[current] = Memory()
            returnsToCurrent = true
            return false
        }
        var penalty = Self.leastPenalty
        for _ in 0..<min(memories[current].failures, 10) { penalty = min(penalty * 2, Self.longestPenalty) }
        memories[current].failures += 1
        memories[current].avoidedUntil = now + penalty
        return memories.contains { $0.avoidedUntil <= now }
    }

    /// How often in a row the chosen broker has failed.
    var failures: Int { memories[current].failures }

    /// The network is back: what was learned without it counts for nothing.
    mutating func forget() {
        for index in memories.indices { memories[index] = Memory() }
        returnsToCurrent = false
    }
}
