#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Time and processor time of the process at a moment.
struct Usage {
    let time = ContinuousClock.now
    let user: Double
    let system: Double

    #if canImport(Glibc)
        static let process = __rusage_who_t(RUSAGE_SELF.rawValue)
    #else
        static let process = RUSAGE_SELF
    #endif

    init() {
        var usage = rusage()
        getrusage(Usage.process, &usage)
        user = Double(usage.ru_utime.tv_sec) + Double(usage.ru_utime.tv_usec) / 1e6
        system = Double(usage.ru_stime.tv_sec) + Double(usage.ru_stime.tv_usec) / 1e6
    }

    static var peakKiB: Int {
        var usage = rusage()
        getrusage(Usage.process, &usage)
        return Int(usage.ru_maxrss)
    }

    /// A line of /proc/self/status, such as VmRSS in KiB. Zero where there is none.
    static func status(_ key: String) -> Int {
        guard let file = fopen("/proc/self/status", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard text.hasPrefix(key + ":") else { continue }
            return Int(text.drop { !$0.isNumber }.prefix { $0.isNumber }) ?? 0
        }
        return 0
    }
}

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

/// Prints what the C drivers print: one line of fields.
func report(_ arguments: Arguments, _ start: Usage, count: Int? = nil, latencies: [Double] = []) {
    let end = Usage()
    let count = count ?? arguments.count
    let seconds = start.time.duration(to: end.time).inSeconds
    let processor = end.user - start.user + end.system - start.system
    var line = "RESULT peer=swift-mqtt scenario=\(arguments.scenario) count=\(count) size=\(arguments.size)"
    line += " window=\(arguments.window) secs=\(seconds) rate=\(Int(Double(count) / seconds))"
    if !latencies.isEmpty {
        let sorted = latencies.sorted()
        func percentile(_ permille: Int) -> Double { sorted[min(sorted.count - 1, sorted.count * permille / 1_000)] }
        line += " p50=\(percentile(500)) p99=\(percentile(990)) p999=\(percentile(999))"
    }
    line += " user=\(end.user - start.user) sys=\(end.system - start.system)"
    line += " cpu_us_per_msg=\(processor * 1e6 / Double(count)) hwm_kb=\(Usage.peakKiB)"
    print(line)
}
