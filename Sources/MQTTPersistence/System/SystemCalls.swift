#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Android)
    internal import Android
#else
    internal import Darwin
#endif

// The only file of the stores with system calls, and with `unsafe`: paths and buffers go to the C library for the length of a call.

/// The time of day, in milliseconds since 1970: the only clock that a restart does not set back to zero.
package func wallClockMilliseconds() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
}

/// The disk of this machine.
package struct SystemFileSystem: StoreFileSystem {
    package init() {}

    package func makeDirectory(_ path: String) throws(FileFault) {
        var parent = path.hasPrefix("/") ? "/" : "."
        for component in path.split(separator: "/") {
            let directory = parent == "/" ? "/\(component)" : "\(parent)/\(component)"
            if unsafe mkdir(directory, 0o700) == 0 {
                try syncDirectory(parent)
            } else if errno != EEXIST {
                // Where the directory itself is there, those above need not be writable, and on some systems say so first.
                guard unsafe access(directory, F_OK) == 0 else { throw fault("mkdir \(directory)") }
            }
            parent = directory
        }
    }

    package func names(in directory: String) throws(FileFault) -> [String] {
        guard let stream = unsafe opendir(directory) else { throw fault("opendir \(directory)") }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else { break }
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        guard errno == 0 else { throw fault("readdir \(directory)") }
        return names
    }

    package func create(_ path: String) throws(FileFault) -> any StoreFile {
        try OpenFile(path, O_RDWR | O_CREAT | O_EXCL)
    }

    package func open(_ path: String) throws(FileFault) -> any StoreFile { try OpenFile(path, O_RDONLY) }

    package func rename(_ path: String, to newPath: String) throws(FileFault) {
        guard unsafe systemRename(path, newPath) == 0 else { throw fault("rename \(path)") }
    }

    package func remove(_ path: String) throws(FileFault) {
        guard unsafe unlink(path) == 0 else { throw fault("unlink \(path)") }
    }

    package func syncDirectory(_ path: String) throws(FileFault) {
        try OpenFile(path, O_RDONLY | O_DIRECTORY).sync()
    }

    package func lock(_ path: String) throws(FileFault) -> (any StoreLock)? {
        let file = try OpenFile(path, O_RDWR | O_CREAT)
        while flock(file.descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno == EWOULDBLOCK { return nil }
            if errno != EINTR { throw fault("flock \(path)") }
        }
        return Lock(file)
    }
}

private final class Lock: StoreLock {
    private let file: OpenFile

    init(_ file: OpenFile) { self.file = file }

    /// Not only by closing the file: a process that is being started has a copy of the descriptor until it runs its program.
    deinit { flock(file.descriptor, LOCK_UN) }
}

private final class OpenFile: StoreFile {
    let descriptor: Int32
    private let path: String

    init(_ path: String, _ flags: Int32) throws(FileFault) {
        self.path = path
        while true {
            let number = unsafe systemOpen(path, flags | O_CLOEXEC, 0o600)
            if number >= 0 {
                descriptor = number
                return
            }
            if errno != EINTR { throw fault("open \(path)") }
        }
    }

    deinit { _ = systemClose(descriptor) }

    func size() throws(FileFault) -> Int {
        let end = lseek(descriptor, 0, SEEK_END)
        guard end >= 0 else { throw fault("lseek \(path)") }
        return Int(end)
    }

    func read(at offset: Int, count: Int) throws(FileFault) -> [UInt8] {
        var number: Int32 = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            while initialized < count {
                let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[initialized...])
                let received = unsafe pread(descriptor, rest.baseAddress, rest.count, off_t(offset + initialized))
                if received > 0 {
                    initialized += received
                } else if received == 0 {
                    return
                } else if errno != EINTR {
                    number = errno
                    return
                }
            }
        }
        guard number == 0 else { throw fault("read \(path)", number) }
        return bytes
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(FileFault) {
        let number = unsafe bytes.withUnsafeBytes { buffer -> Int32 in
            var done = 0
            while done < buffer.count {
                let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[done...])
                let written = unsafe pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
                if written > 0 {
                    done += written
                } else if written == 0 {
                    return ENOSPC
                } else if errno != EINTR {
                    return errno
                }
            }
            return 0
        }
        guard number == 0 else { throw fault("write \(path)", number) }
    }

    /// Not even an interrupted sync is asked for again: the caller writes anew what it was for.
    func sync() throws(FileFault) {
        #if canImport(Darwin)
            // fsync leaves it in the cache of the drive there. Disks that know no better than fsync say so.
            if fcntl(descriptor, F_FULLFSYNC) == 0 { return }
            guard errno == ENOTSUP || errno == EINVAL || errno == ENOTTY else { throw fault("sync \(path)") }
        #endif
        guard fsync(descriptor) == 0 else { throw fault("sync \(path)") }
    }
}

private func fault(_ operation: String, _ number: Int32 = errno) -> FileFault {
    let text = unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error"
    return FileFault(operation, number: number, text: "\(text), error \(number)", isFull: number == ENOSPC || number == EDQUOT)
}

// Inside of types whose own methods have these names.
private func systemOpen(_ path: UnsafePointer<CChar>, _ flags: Int32, _ mode: mode_t) -> Int32 { unsafe open(path, flags, mode) }
private func systemClose(_ descriptor: Int32) -> Int32 { close(descriptor) }
private func systemRename(_ path: UnsafePointer<CChar>, _ newPath: UnsafePointer<CChar>) -> Int32 { unsafe rename(path, newPath) }
