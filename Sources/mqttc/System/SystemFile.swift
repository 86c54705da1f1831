#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Files, the environment and the process's own arguments. Paths and buffers go to the C library for the length of a call.
enum SystemFile {
    /// Why a file cannot be used.
    struct Failure: Error {
        let code: Int32
        /// Which file, where it is none that the user has named.
        var place: String?

        /// More than may be.
        static let tooLarge = Failure(code: E2BIG)

        var isMissing: Bool { code == ENOENT }
        /// Nobody reads any more.
        var isBrokenPipe: Bool { code == EPIPE }
        var message: String {
            if code == E2BIG { return "it is too large" }
            // The text is the C library's, valid until the next call of this thread.
            let text = unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
            return place.map { "\($0): \(text)" } ?? text
        }
    }

    static func environment(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    static func isMissing(_ path: String) -> Bool { unsafe access(path, F_OK) != 0 }

    /// A small file as a whole.
    static func contents(of path: String, limit: Int) throws(Failure) -> [UInt8] {
        let file = try OpenFile(reading: path)
        var bytes: [UInt8] = []
        var chunk: [UInt8] = []
        while try file.descriptor.read(into: &chunk, atMost: 65_536) {
            bytes += chunk
            guard bytes.count <= limit else { throw .tooLarge }
        }
        return bytes
    }

    /// The words of the command line, the program's name first.
    static var arguments: [[UInt8]] { (0..<Int(CommandLine.argc)).map { argument($0) } }

    private static func argument(_ index: Int) -> [UInt8] {
        guard let word = unsafe CommandLine.unsafeArgv[index] else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: word, count: strlen(word)))
    }

    /// Overwrites what a process list shows of this process: the given bytes of each word.
    ///
    /// The kernel shows the memory where the arguments were put at the start; Swift has copied them by then.
    static func hideArguments(where isSecret: (_ word: String, _ before: String?) -> Range<Int>?) {
        var before: String?
        for index in 0..<Int(CommandLine.argc) {
            let bytes = argument(index)
            // One character for each byte, should it be no UTF-8: the ranges are of bytes.
            let text = String(validating: bytes, as: UTF8.self) ?? String(decoding: bytes.map { min($0, 0x7f) }, as: UTF8.self)
            if let range = isSecret(text, before), let word = unsafe CommandLine.unsafeArgv[index] {
                for offset in range.clamped(to: 0..<bytes.count) { unsafe word[offset] = CChar(UInt8(ascii: "*")) }
            }
            before = text
        }
    }
}

/// An open file, closed with the last reference.
final class OpenFile: Sendable {
    let descriptor: Descriptor

    init(reading path: String) throws(SystemFile.Failure) {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw SystemFile.Failure(code: errno) }
        descriptor = Descriptor(number: number)
    }

    /// A file without a name in TMPDIR: it is gone with the process.
    init(temporary: Void) throws(SystemFile.Failure) {
        let directory = SystemFile.environment("TMPDIR") ?? "/tmp"
        var template = Array((directory + "/mqttc-XXXXXX").utf8CString)
        let number = unsafe template.withUnsafeMutableBufferPointer { unsafe $0.baseAddress.map { unsafe mkstemp($0) } ?? -1 }
        guard number >= 0 else { throw SystemFile.Failure(code: errno, place: "a temporary file in \(directory)") }
        _ = unsafe template.withUnsafeBufferPointer { buffer in unsafe buffer.baseAddress.map { unsafe unlink($0) } }
        descriptor = Descriptor(number: number)
    }

    deinit {
        _ = close(descriptor.number)
    }

    /// The length of a regular file. Nil for anything else: a pipe, a device.
    var regularLength: Int? {
        var status = stat()
        guard unsafe fstat(descriptor.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    func write(_ bytes: [UInt8]) throws(SystemFile.Failure) {
        if let failure = descriptor.failure(writing: bytes) { throw failure }
    }

    /// The bytes at an offset: as many as there are, `count` at most.
    func read(at offset: Int, count: Int) throws(SystemFile.Failure) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { storage, initialized in
            while initialized < count {
                let target = unsafe storage.baseAddress.map { unsafe $0 + initialized }
                let got = unsafe pread(descriptor.number, target, count - initialized, off_t(offset + initialized))
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = errno }
                guard got > 0 else { break }
                initialized += got
            }
        }
        guard failure == 0 else { throw SystemFile.Failure(code: failure) }
        return bytes
    }
}
