// A child process by posix_spawn and waitpid. Foundation's Process will not do on Linux: its children inherit the signal mask of a
// task's thread, which blocks SIGTERM, and all sockets of this process.
import Foundation
import Synchronization

/// A program under way. It is not ended with its last reference: that is for its owner, by `signal`.
final class ChildProcess: Sendable {
    /// The system refused to start a program.
    struct StartFailure: Error, CustomStringConvertible {
        let description: String
    }

    let id: Int32
    /// The status, or 128 and the number of the signal that ended it.
    let exit: Task<Int32, Never>

    private let isOver = Mutex(false)

    /// Between making a pipe and keeping it from other children there is a moment in which no other child may start.
    private static let starting = Mutex(())

    /// Starts a program without standard input. What it writes goes to `output`, on a thread of its own, and then an empty array.
    init(_ program: String, arguments: [String], output: @escaping @Sendable ([UInt8]) -> Void) throws {
        let (id, reading) = try Self.starting.withLock { _ in try spawn(program, arguments: arguments) }
        let (statuses, continuation) = AsyncStream.makeStream(of: Int32.self)
        self.id = id
        exit = Task {
            for await status in statuses { return status }
            return -1
        }
        Thread {
            readToEnd(of: reading, output)
            continuation.yield(self.reap())
            continuation.finish()
        }.start()
    }

    /// Sends a signal, unless the process is over: its id may be another's by then.
    func signal(_ signal: Int32) {
        isOver.withLock { isOver in
            if !isOver { _ = kill(id, signal) }
        }
    }

    private func reap() -> Int32 {
        isOver.withLock { isOver in
            var status: Int32 = 0
            while unsafe waitpid(id, &status, 0) < 0, errno == EINTR {}
            isOver = true
            let signal = status & 0x7F
            return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
        }
    }
}

/// Where a program is, or nil. Debian keeps daemons in a directory that is not on every user's path.
func installedProgram(_ name: String) -> String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let directories = path.split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"]
    return directories.map { "\($0)/\(name)" }.first(where: FileManager.default.isExecutableFile(atPath:))
}

/// What a process writes, all of it.
final class ChildOutput: Sendable {
    private let bytes = Mutex([UInt8]())

    @Sendable func append(_ more: [UInt8]) { bytes.withLock { $0 += more } }

    var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
}

/// Starts a program whose output goes into a pipe; returns its id and the pipe's end to read from.
private func spawn(_ program: String, arguments: [String]) throws -> (id: Int32, reading: Int32) {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { throw ChildProcess.StartFailure(description: "no pipe: errno \(errno)") }
    defer { _ = close(ends[1]) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }

    #if canImport(Darwin)
        var actions: posix_spawn_file_actions_t?
        var attributes: posix_spawnattr_t?
    #else
        var actions = unsafe posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
    #endif
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 2)

    // SwiftNIO does not mark its sockets close-on-exec: a child that inherits one keeps its port taken and its connection open.
    #if canImport(Darwin)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_CLOEXEC_DEFAULT
    #else
        let flags = POSIX_SPAWN_SETSIGMASK
        // In glibc since 2.34, but not among what Swift imports from it.
        guard let closeFrom = unsafe dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else {
            _ = close(ends[0])
            throw ChildProcess.StartFailure(description: "the C library cannot keep sockets from a child")
        }
        typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
        _ = unsafe unsafeBitCast(closeFrom, to: CloseFrom.self)(&actions, 3)
    #endif

    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

    // Null-terminated C strings, freed below; the call copies them into the child.
    var words = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
    var environment = unsafe ProcessInfo.processInfo.environment.map { unsafe strdup("\($0)=\($1)") } + [nil]
    defer {
        while let word = unsafe words.popLast() { unsafe free(word) }
        while let variable = unsafe environment.popLast() { unsafe free(variable) }
    }
    var id: Int32 = 0
    let code = unsafe posix_spawn(&id, program, &actions, &attributes, &words, &environment)
    guard code == 0 else {
        _ = close(ends[0])
        throw ChildProcess.StartFailure(description: "\(program) does not start: errno \(code)")
    }
    return (id, ends[0])
}

/// Reads until nobody can write any more, and closes.
private func readToEnd(of descriptor: Int32, _ output: ([UInt8]) -> Void) {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { break }
        output(Array(buffer[..<count]))
    }
    _ = close(descriptor)
    output([])
}
