/// Bytes of unknown number: in memory up to a limit, beyond it in a file without a name.
struct Spool {
    enum Content {
        case memory([UInt8])
        case file(OpenFile)
    }

    private let memoryLimit: Int
    private(set) var content = Content.memory([])
    private(set) var count = 0

    init(memoryLimit: Int) {
        self.memoryLimit = memoryLimit
    }

    mutating func append(_ bytes: [UInt8]) throws(SystemFile.Failure) {
        count += bytes.count
        switch content {
        case .memory(var kept):
            content = .memory([])
            kept += bytes
            guard kept.count > memoryLimit else { return content = .memory(kept) }
            let file = try OpenFile(temporary: ())
            try file.write(kept)
            content = .file(file)
        case .file(let file): try file.write(bytes)
        }
    }

    /// The bytes at an offset, `count` at most.
    func read(at offset: Int, count: Int) throws(SystemFile.Failure) -> [UInt8] {
        switch content {
        case .memory(let bytes): Array(bytes[min(offset, bytes.count)..<min(offset + count, bytes.count)])
        case .file(let file): try file.read(at: offset, count: count)
        }
    }
}
