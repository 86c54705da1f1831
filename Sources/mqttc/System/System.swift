#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What this process and its machine are and use. Structures of the C library are filled in place.
enum System {
    static var processID: Int32 { getpid() }

    static var coreCount: Int { max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1) }

    /// Whether whoever started this process does not want a signal to end it.
    static func isIgnored(signal number: Int32) -> Bool {
        var action = sigaction()
        guard unsafe sigaction(number, nil, &action) == 0 else { return false }
        #if canImport(Darwin)
            let handler = unsafe action.__sigaction_u.__sa_handler
        #else
            let handler = unsafe action.__sigaction_handler.sa_handler
        #endif
        return unsafe unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// What the process has used since it began.
    struct Usage: Sendable {
        var userSeconds: Double
        var systemSeconds: Double
        var maxResidentKiB: Int
    }

    static var usage: Usage {
        var usage = rusage()
        #if canImport(Glibc)
            unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        #else
            unsafe getrusage(Int32(RUSAGE_SELF), &usage)
        #endif
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        #if canImport(Darwin)
            let resident = Int(usage.ru_maxrss) / 1024
        #else
            let resident = Int(usage.ru_maxrss)
        #endif
        return Usage(userSeconds: seconds(usage.ru_utime), systemSeconds: seconds(usage.ru_stime), maxResidentKiB: resident)
    }

    /// Allows as many open files, and so connections, as the system's administrator does.
    static func raiseFileLimit() {
        var limit = rlimit()
        #if canImport(Glibc)
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let resource = RLIMIT_NOFILE
        #endif
        guard unsafe getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        unsafe setrlimit(resource, &limit)
    }
}
