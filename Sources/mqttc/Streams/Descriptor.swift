#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// An open file descriptor of this process: standard input or output. The only place with system calls on buffers.
struct Descriptor: Sendable {
    static let input = Descriptor(number: 0)
    static let output = Descriptor(number: 1)
    static let error = Descriptor(number: 2)

    /// What a pipe with room takes at least in one piece, so that a write of that size does not block after ``isWritable``.
    static let atomicWriteSize = 4096

    let number: Int32

    /// Blocks until bytes are there, which take the place of those in the buffer. False at the end of the file.
    func read(into buffer: inout [UInt8], atMost count: Int) throws(SystemFile.Failure) -> Bool {
        while true {
            var received = 0
            buffer = unsafe [UInt8](unsafeUninitializedCapacity: count) { storage, initialized in
                received = unsafe systemRead(number, storage.baseAddress, count)
                initialized = max(received, 0)
            }
            if received > 0 { return true }
            if received == 0 { return false }
            switch errno {
            case EINTR: continue
            case EAGAIN: waitUntil(POLLIN)
            default: throw SystemFile.Failure(code: errno)
            }
        }
    }

    /// Blocks until everything is written. False when that can never be.
    func writeAll(_ bytes: [UInt8]) -> Bool { failure(writing: bytes) == nil }

    /// Blocks until everything is written, or says why that can never be.
    func failure(writing bytes: [UInt8]) -> SystemFile.Failure? {
        unsafe bytes.withUnsafeBytes { buffer in
            var offset = 0
            while offset < buffer.count {
                let written = unsafe systemWrite(number, buffer.baseAddress.map { unsafe $0 + offset }, buffer.count - offset)
                if written >= 0 {
                    offset += written
                    continue
                }
                switch errno {
                case EINTR: continue
                case EAGAIN: waitUntil(POLLOUT)
                default: return SystemFile.Failure(code: errno)
                }
            }
            return nil
        }
    }

    /// Whether a write of up to ``atomicWriteSize`` bytes would go through at once.
    var isWritable: Bool {
        poll(for: POLLOUT, milliseconds: 0)
    }

    var isTerminal: Bool {
        isatty(number) == 1
    }

    private func waitUntil(_ events: some BinaryInteger) {
        _ = poll(for: events, milliseconds: -1)
    }

    private func poll(for events: some BinaryInteger, milliseconds: Int32) -> Bool {
        var request = pollfd(fd: number, events: Int16(truncatingIfNeeded: events), revents: 0)
        let ready = unsafe systemPoll(&request, 1, milliseconds)
        // POLLERR and POLLHUP count as ready as well: the write tells what is wrong.
        return ready == 1
    }

    /// Writing to a pipe that nobody reads is an error of that write, not the end of the process.
    static func ignoreBrokenPipes() {
        _ = signal(SIGPIPE, SIG_IGN)
    }

    /// Gives the numbers of standard input, output and error to files that fail, where the process was started without: else the first
    /// sockets and queues of the program would get them, and what is written there would come to no end that anybody sees.
    static func keepStandardNumbers() {
        for (descriptor, mode) in [(input, O_WRONLY), (output, O_RDONLY), (error, O_RDONLY)]
        where fcntl(descriptor.number, F_GETFD) == -1 {
            // The lowest free number, which is this one.
            _ = unsafe open("/dev/null", mode)
        }
    }

    /// Ends the process at once; other threads may be blocked in a system call.
    static func exitNow(_ status: Int32) -> Never {
        _exit(status)
    }
}

// Within the methods of the same name these would be hidden.
private func systemRead(_ number: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    unsafe read(number, buffer, count)
}

private func systemWrite(_ number: Int32, _ buffer: UnsafeRawPointer?, _ count: Int) -> Int {
    unsafe write(number, buffer, count)
}

private func systemPoll(_ request: UnsafeMutablePointer<pollfd>, _ count: nfds_t, _ milliseconds: Int32) -> Int32 {
    unsafe poll(request, count, milliseconds)
}
