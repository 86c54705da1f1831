/// Numbers for people.
enum Quantity {
    /// 1,234,567
    static func grouped(_ number: Int) -> String {
        var text = ""
        for (index, digit) in String(number.magnitude).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (number < 0 ? "-" : "") + String(text.reversed())
    }

    /// 512 B, 1.5 KiB, 64.0 MiB
    static func bytes(_ count: Int) -> String {
        guard count >= 1024 else { return "\(count) B" }
        var value = Double(count) / 1024
        var unit = 0
        let units = ["KiB", "MiB", "GiB", "TiB"]
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return "\(decimal(value, 1)) \(units[unit])"
    }

    /// A short time as people read it: 870 ns, 87.3 us, 1.24 ms, 2.50 s
    static func shortTime(nanoseconds: UInt64) -> String {
        switch nanoseconds {
        case ..<1_000: "\(nanoseconds) ns"
        case ..<1_000_000: "\(decimal(Double(nanoseconds) / 1e3, 1)) us"
        case ..<1_000_000_000: "\(decimal(Double(nanoseconds) / 1e6, 2)) ms"
        default: "\(decimal(Double(nanoseconds) / 1e9, 2)) s"
        }
    }

    /// 5 s, 0.2 s: a time as it was asked for, to the millisecond.
    static func seconds(_ value: Double) -> String {
        var text = decimal(value, 3)
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return text + " s"
    }

    /// With so many digits behind the point, rounded.
    static func decimal(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        var scale = 1
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int((abs(value) * Double(scale)).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return sign + String(scaled) }
        let fraction = String(scaled % scale)
        return sign + String(scaled / scale) + "." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
