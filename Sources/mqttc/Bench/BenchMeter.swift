import Histogram
import NIOCore
import Synchronization

/// What is counted while a benchmark runs, by all of its clients.
final class BenchMeter: Sendable {
    private let completedCount = Atomic(0)
    private let lostCount = Atomic(0)
    private let duplicatedCount = Atomic(0)
    private let latencies = Mutex(BenchMeter.emptyHistogram)

    /// Nanoseconds up to an hour, to three digits.
    static var emptyHistogram: Histogram<UInt64> {
        Histogram(lowestDiscernibleValue: 1, highestTrackableValue: 3_600_000_000_000, numberOfSignificantValueDigits: .three)
    }

    var completed: Int { completedCount.load(ordering: .relaxed) }
    var lost: Int { lostCount.load(ordering: .relaxed) }
    var duplicated: Int { duplicatedCount.load(ordering: .relaxed) }
    var histogram: Histogram<UInt64> { latencies.withLock { $0 } }

    func complete(_ count: Int = 1) { completedCount.add(count, ordering: .relaxed) }
    func lose(_ count: Int = 1) { lostCount.add(count, ordering: .relaxed) }
    func duplicate(_ count: Int) { duplicatedCount.add(count, ordering: .relaxed) }

    /// Each client has a histogram of its own while it runs.
    func add(_ histogram: Histogram<UInt64>) { latencies.withLock { $0.add(histogram) } }

    /// The live rate on standard error, until it is canceled. Nil when nobody watches.
    func display(of total: Int?, what: String) -> Task<Void, Never>? {
        guard Descriptor.error.isTerminal, !Complaints.isSilenced else { return nil }
        return Task {
            let start = NIODeadline.now()
            var (before, last) = (0, start)
            while (try? await Task.sleep(for: .milliseconds(250))) != nil {
                let (count, now) = (completed, NIODeadline.now())
                let rate = Double(count - before) / Double((now - last).nanoseconds) * 1e9
                (before, last) = (count, now)
                let share = total.map { " of " + Quantity.grouped($0) } ?? ""
                StatusLine.show("\(Quantity.grouped(count))\(share) \(what), \(Quantity.grouped(Int(rate)))/s")
            }
            StatusLine.clear()
        }
    }
}

/// The clock of the measurements.
enum Ticks {
    static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }
}
