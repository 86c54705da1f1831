import Foundation
import MQTTCore
import Synchronization

/// What is printed, and the judgement at the end.
final class SoakReport: Sendable {
    private struct State {
        var samples: [Gauges] = []
        var width = 0
    }

    /// Beyond these the process grew: SwiftNIO's and the allocator's caches need some room to fill.
    private static let memoryGrowthLimit = 16
    private static let descriptorGrowthLimit = 8

    private let state = Mutex(State())
    private let isTerminal = isatty(STDOUT_FILENO) == 1

    func begin(_ run: SoakRun) {
        print("seed \(run.settings.seed), \(run.settings.rate) messages a second and level, a fault every \(run.settings.faultInterval)")
        print("    time    accepted   delivered     doubled  reconnects    faults  memory  descriptors")
    }

    func live(_ run: SoakRun, _ second: Int) {
        guard isTerminal else { return }
        let line = row(run, second, Gauges.read())
        let width = state.withLock { state in
            defer { state.width = line.count }
            return max(0, state.width - line.count)
        }
        write("\r" + line + String(repeating: " ", count: width))
    }

    func sample(_ run: SoakRun, _ second: Int) {
        let gauges = Gauges.read()
        state.withLock { $0.samples.append(gauges) }
        write((isTerminal ? "\r" : "") + row(run, second, gauges) + "\n")
    }

    private func row(_ run: SoakRun, _ second: Int, _ gauges: Gauges) -> String {
        let progress = run.progress.withLock { $0 }
        var (accepted, delivered, doubled) = (0, 0, 0)
        for ledger in progress.ledgers {
            accepted += ledger.accepted
            delivered += ledger.delivered
            doubled += ledger.doubled
        }
        return right("\(second) s", 8) + [accepted, delivered, doubled, progress.reconnects].map { right("\($0)", 12) }.joined()
            + right("\(progress.faults.values.reduce(0, +))", 10) + right("\(gauges.memory) MiB", 8)
            + right("\(gauges.descriptors)", 13)
    }

    private func right(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(1, width - text.count)) + text }

    private func write(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }

    // MARK: The end

    /// Prints the table, and returns whether everything is as it should be.
    func conclude(_ run: SoakRun) -> Bool {
        let progress = run.progress.withLock { $0 }
        print("\n QoS    accepted   completed   delivered        lost     doubled   reordered     changed      failed")
        var complaints: [String] = []
        for ledger in progress.ledgers {
            let numbers = [
                ledger.accepted, ledger.completed, ledger.delivered, ledger.lost, ledger.doubled, ledger.reordered, ledger.changed,
                ledger.failed.count,
            ]
            print(right("\(ledger.qos.rawValue)", 4) + numbers.map { right("\($0)", 12) }.joined())
            let name = "QoS \(ledger.qos.rawValue)"
            if ledger.accepted == 0 { complaints.append("\(name): nothing was accepted") }
            if ledger.lost != 0 { complaints.append("\(name): \(ledger.lost) lost, the first: \(ledger.lostNumbers)") }
            if ledger.changed != 0 { complaints.append("\(name): \(ledger.changed) changed") }
            if let (number, behind) = ledger.firstReordered {
                complaints.append("\(name): \(ledger.reordered) out of order, the first is \(number) behind \(behind)")
            }
            if ledger.qos == .exactlyOnce, ledger.doubled != 0 { complaints.append("\(name): \(ledger.doubled) doubled") }
            if let first = ledger.failed.first { complaints.append("\(name): \(ledger.failed.count) failed, the first: \(first)") }
        }
        let faults = progress.faults.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.key.rawValue) \($0.value)" }
        print("\(progress.reconnects) reconnects; faults: \(faults.joined(separator: ", "))")
        if progress.lostSessions > 0 { complaints.append("the broker lost \(progress.lostSessions) sessions") }
        complaints += growth()
        for complaint in complaints { print("FAILED: \(complaint)") }
        if complaints.isEmpty { print("passed: nothing lost, nothing doubled at QoS 2, everything in order") }
        return complaints.isEmpty
    }

    /// From the first sample, when everything is warm, to the last.
    private func growth() -> [String] {
        let samples = state.withLock { $0.samples }
        guard let first = samples.first, let last = samples.last, samples.count > 1 else { return [] }
        print("memory \(first.memory) -> \(last.memory) MiB, descriptors \(first.descriptors) -> \(last.descriptors)")
        var complaints: [String] = []
        if last.memory - first.memory > Self.memoryGrowthLimit { complaints.append("memory grew") }
        if last.descriptors - first.descriptors > Self.descriptorGrowthLimit { complaints.append("descriptors leak") }
        return complaints
    }
}
