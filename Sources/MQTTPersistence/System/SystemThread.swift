#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Android)
    internal import Android
#else
    internal import Darwin
#endif

// The other file with `unsafe`: the C library starts a thread with a pointer, and waits on an array of descriptors.

/// Runs the body on a new thread. False when there cannot be one.
func startThread(_ body: @escaping @Sendable () -> Void) -> Bool {
    let box = unsafe Unmanaged.passRetained(ThreadBody(body))
    #if canImport(Darwin)
        var thread: pthread_t?
        let failure = unsafe pthread_create(&thread, nil, { unsafe run($0) }, box.toOpaque())
        if failure == 0, let thread = unsafe thread { unsafe pthread_detach(thread) }
    #else
        var thread = pthread_t()
        let failure = unsafe pthread_create(&thread, nil, { unsafe run($0) }, box.toOpaque())
        if failure == 0 { pthread_detach(thread) }
    #endif
    if failure != 0 { unsafe box.release() }
    return failure == 0
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

private func run(_ box: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let box = unsafe box { unsafe Unmanaged<ThreadBody>.fromOpaque(box).takeRetainedValue().run() }
    return nil
}

/// Lets one thread wait for others. A wake-up before the wait is not lost.
final class WakeUp: Sendable {
    private let reading: Int32
    private let writing: Int32

    init() throws(FileFault) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else {
            throw FileFault("pipe", number: errno, text: "no descriptors are left, error \(errno)")
        }
        (reading, writing) = (ends[0], ends[1])
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
    }

    deinit {
        _ = close(reading)
        _ = close(writing)
    }

    func signal() {
        // A full pipe wakes as well.
        var byte: UInt8 = 1
        _ = unsafe write(writing, &byte, 1)
    }

    /// Until a signal, or for at most this time.
    func wait(atMost duration: Duration?) {
        var milliseconds: Int32 = -1
        if let (seconds, attoseconds) = duration?.components {
            // Rounded up: too early would be too often.
            milliseconds = Int32(clamping: min(max(seconds, 0), 1_000_000) * 1000 + max(attoseconds, 0) / 1_000_000_000_000_000 + 1)
        }
        var descriptors = [pollfd(fd: reading, events: Int16(POLLIN), revents: 0)]
        guard unsafe poll(&descriptors, 1, milliseconds) > 0 else { return }
        var bytes: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
        _ = unsafe read(reading, &bytes, bytes.count)
    }
}
