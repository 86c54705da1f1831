#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A moment in the time of day where this runs. The C library's structures are filled in place.
struct WallTime: Sendable {
    let seconds: Int
    let nanoseconds: Int

    init() {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        seconds = Int(now.tv_sec)
        nanoseconds = Int(now.tv_nsec)
    }

    init(seconds: Int, nanoseconds: Int) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// What strftime(3) makes of it.
    func formatted(_ format: String) -> [UInt8] {
        var time = time_t(seconds)
        var parts = unsafe tm()
        guard unsafe localtime_r(&time, &parts) != nil else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: 256) { storage, count in
            let capacity = storage.count
            count = unsafe storage.withMemoryRebound(to: CChar.self) { text in
                guard let start = text.baseAddress else { return 0 }
                return unsafe strftime(start, capacity, format, &parts)
            }
        }
    }

    /// 2020-05-06T22:12:00.000000+0100, with an optional Z ahead of the zone.
    func microseconds(zonePrefix: String = "") -> [UInt8] {
        let fraction = String(nanoseconds / 1_000)
        return formatted("%Y-%m-%dT%H:%M:%S")
            + Array(".\(String(repeating: "0", count: 6 - fraction.utf8.count))\(fraction)\(zonePrefix)".utf8)
            + formatted("%z")
    }

    /// 1470818943.786368637
    var unix: String { "\(seconds).\(paddedNanoseconds)" }

    var paddedNanoseconds: String {
        let digits = String(nanoseconds)
        return String(repeating: "0", count: max(9 - digits.utf8.count, 0)) + digits
    }
}
