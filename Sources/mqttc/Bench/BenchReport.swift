import Histogram
import MQTT

/// The figures of a run, as a table with a histogram for people or as JSON for programs.
struct BenchReport {
    var mode: String
    var clients: Int
    var qos: QoS?
    var size: Int?
    var count: Int
    var seconds: Double
    var lost: Int
    var duplicated: Int
    var latencies: Histogram<UInt64>
    var usage: System.Usage
    /// What counts: messages, or connections.
    var unit = "messages"

    var perSecond: Double { seconds > 0 ? Double(count) / seconds : 0 }

    private func microseconds(_ percentile: Double) -> Double {
        latencies.totalCount == 0 ? 0 : Double(latencies.valueAtPercentile(percentile)) / 1_000
    }

    // MARK: JSON

    var json: [UInt8] {
        var members = ["\"mode\":\"\(mode)\"", "\"clients\":\(clients)"]
        if let qos { members.append("\"qos\":\(qos.rawValue)") }
        if let size { members.append("\"size\":\(size)") }
        members += [
            "\"count\":\(count)", "\"messagesPerSecond\":\(number(mode == "idle" ? 0 : perSecond, 1))", "\"seconds\":\(number(seconds, 6))",
            "\"userSeconds\":\(number(usage.userSeconds, 6))", "\"systemSeconds\":\(number(usage.systemSeconds, 6))",
        ]
        for (name, percentile) in [("p50", 50.0), ("p90", 90), ("p99", 99), ("p999", 99.9), ("max", 100)] {
            members.append("\"\(name)Microseconds\":\(number(microseconds(percentile), 3))")
        }
        members += ["\"maxResidentKiB\":\(usage.maxResidentKiB)", "\"lost\":\(lost)", "\"duplicated\":\(duplicated)"]
        return Array("{\(members.joined(separator: ","))}\n".utf8)
    }

    private func number(_ value: Double, _ digits: Int) -> String { Quantity.decimal(value, digits) }

    // MARK: Table

    var table: [UInt8] {
        var lines = [row(unit, what)]
        if mode != "idle" {
            let bytes = size.map { ", \(Quantity.bytes(Int(perSecond * Double($0))))/s of payload" } ?? ""
            lines.append(row("rate", "\(Quantity.grouped(Int(perSecond.rounded())))/s\(bytes)"))
        }
        lines.append(row("time", "\(number(seconds, 3)) s"))
        lines.append(row("CPU", "\(number(usage.userSeconds, 2)) s user, \(number(usage.systemSeconds, 2)) s system"))
        lines.append(row("memory", "\(Quantity.bytes(usage.maxResidentKiB * 1024)) resident at most"))
        lines.append(row("lost", Quantity.grouped(lost)))
        if mode != "idle" { lines.append(row("duplicated", Quantity.grouped(duplicated))) }
        if latencies.totalCount > 0 { lines += latencyLines }
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    private var what: String {
        var parts = [Quantity.grouped(count)]
        if let size { parts[0] += " of \(Quantity.bytes(size))" }
        if let qos { parts.append("QoS \(qos.rawValue)") }
        if mode != "idle" { parts.append("\(clients) \(clients == 1 ? "client" : "clients")") }
        return parts.joined(separator: ", ")
    }

    private func row(_ name: String, _ text: String) -> String {
        "  " + name + String(repeating: " ", count: max(13 - name.count, 1)) + text
    }

    private var latencyLines: [String] {
        let percentiles = [("p50", 50.0), ("p90", 90), ("p99", 99), ("p99.9", 99.9), ("max", 100)].map { name, percentile in
            "\(name) \(Quantity.shortTime(nanoseconds: latencies.valueAtPercentile(percentile)))"
        }
        return [row("latency", percentiles.joined(separator: "  ")), ""] + LatencyChart(latencies).lines
    }
}

/// A histogram of latencies in characters: three bars for each doubling, or one when the range is wide.
struct LatencyChart {
    private static let width = 50
    private static let mostBars = 24
    private static let eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

    let lines: [String]

    init(_ histogram: Histogram<UInt64>) {
        let fine = Self.bars(histogram, perDoubling: 3)
        let bars = fine.count <= Self.mostBars ? fine : Self.bars(histogram, perDoubling: 1)
        let highest = max(bars.map(\.count).max() ?? 1, 1)
        let total = max(bars.reduce(0) { $0 + $1.count }, 1)
        lines = bars.map { bar in
            // At least a trace of whatever there is.
            let length = bar.count == 0 ? 0 : max(Int(bar.count) * Self.width * 8 / Int(highest), 1)
            let drawn = String(repeating: "█", count: length / 8) + Self.eighths[length % 8]
            let share = Quantity.decimal(Double(bar.count) * 100 / Double(total), 2)
            let name = "< " + Quantity.shortTime(nanoseconds: bar.to)
            return String(repeating: " ", count: max(13 - name.count, 0)) + name
                + String(repeating: " ", count: max(8 - share.count, 0)) + share + " % " + drawn
        }
    }

    private static func bars(_ histogram: Histogram<UInt64>, perDoubling: Int) -> [(to: UInt64, count: UInt64)] {
        var bars: [(to: UInt64, count: UInt64)] = []
        let most = histogram.maxRecorded
        var (lower, base): (UInt64, UInt64) = (0, 1_000)
        while lower <= most {
            // The cube root of two as steps.
            for upper in perDoubling == 1 ? [base] : [base, base * 126 / 100, base * 159 / 100] where lower <= most {
                let count = histogram.count(within: lower...upper - 1)
                if count > 0 || !bars.isEmpty { bars.append((upper, count)) }
                lower = upper
            }
            base *= 2
        }
        return bars
    }
}
