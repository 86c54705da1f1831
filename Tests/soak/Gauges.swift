import Foundation

/// What the process takes from the system, at a moment.
struct Gauges: Sendable {
    /// In MiB.
    var memory: Int
    var descriptors: Int

    /// From /proc; zeros where there is none.
    static func read() -> Gauges {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        let kilobytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0
        let files = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))?.count ?? 0
        return Gauges(memory: kilobytes / 1_024, descriptors: files)
    }
}
