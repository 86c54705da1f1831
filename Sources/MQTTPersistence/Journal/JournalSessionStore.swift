public import MQTTCore
internal import Synchronization

/// Keeps a session in a directory, as a journal: changes go to the end of a file, and one sync covers a whole commit.
///
/// The recommended store. Its files take at most about four times what is live, and 32 MiB. Bodies stay on disk; each record costs
/// 24 bytes of memory. Format.md in the sources describes the files.
public final class JournalSessionStore: SessionStore {
    public let durability: Durability
    /// The directory with the journal, and nothing else.
    public let path: String

    private let files: any StoreFileSystem
    private let segmentLimit: Int
    private let writing = Mutex<Journal?>(nil)
    private let index = SharedJournalIndex()

    /// - Parameter path: A directory for this session alone. It is made when the store is opened, with those above it.
    public convenience init(at path: String, durability: Durability = .everyCommit) {
        self.init(at: path, durability: durability, files: SystemFileSystem())
    }

    /// - Parameter segmentLimit: A file grows to this many bytes. A larger record gets one to itself.
    package init(at path: String, durability: Durability = .everyCommit, files: any StoreFileSystem, segmentLimit: Int = 8 << 20) {
        precondition(segmentLimit > 0 && segmentLimit <= 1 << 30, "a place in a segment has 32 bits")
        self.path = path
        self.durability = durability
        self.files = files
        self.segmentLimit = segmentLimit
    }

    public func open() throws(MQTTError) -> StoreContents {
        try writing.withLock { journal throws(MQTTError) in
            guard journal == nil else { throw .storeAlreadyOpen() }
            let lock: (any StoreLock)?
            do throws(FileFault) {
                try files.makeDirectory(path)
                lock = try files.lock("\(path)/lock")
            } catch { throw .cannotOpen(path, error) }
            guard let lock else { throw .storeLocked(path) }
            let new = Journal(
                directory: path, files: files, segmentLimit: segmentLimit, durability: durability, lock: lock, index: index)
            let contents: StoreContents
            (journal, contents) = try JournalOpening.open(new)
            return contents
        }
    }

    public func record(of key: RecordKey) throws(MQTTError) -> StoredRecord {
        let found = index.contents.withLock { index in
            index.location(of: key).flatMap { location in index.files[location.segment].map { (location: location, file: $0) } }
        }
        guard let (location, file) = found else { throw .noRecord() }
        // The place is part of the checksum, so the header is checked as if it stood there in a whole segment.
        let bytes: [UInt8]
        do throws(FileFault) { bytes = try file.read(at: Int(location.offset), count: location.size) } catch { throw .cannotRead(error) }
        guard bytes.count == location.size,
            let header = RecordHeader(record: bytes.span, at: Int(location.offset), in: location.segment),
            header.key == key, header.size == bytes.count,
            Checksum.of(bytes.span.extracting(RecordHeader.length..<bytes.count)) == header.contentChecksum
        else { throw .damagedRecord() }
        let bodyStart = RecordHeader.length + header.headLength
        return StoredRecord(head: Array(bytes[RecordHeader.length..<bodyStart]), body: Array(bytes[bodyStart...]))
    }

    public func commit(_ changes: [StoreChange]) throws(MQTTError) {
        for change in changes {
            guard case .put(_, let head, let body) = change else { continue }
            if head.count > RecordHeader.headLimit { throw .recordTooLong(head.count, limit: RecordHeader.headLimit) }
            if body.count > RecordHeader.bodyLimit { throw .recordTooLong(body.count, limit: RecordHeader.bodyLimit) }
        }
        try write { journal throws(FileFault) in try journal.commit(changes) }
    }

    public func flush() throws(MQTTError) {
        try write { journal throws(FileFault) in try journal.flush() }
    }

    private func write(_ body: (inout Journal) throws(FileFault) -> Void) throws(MQTTError) {
        try writing.withLock { journal throws(MQTTError) in
            // Taken out, so that it is changed in place and not copied.
            guard var open = journal.take() else { throw .storeNotOpen() }
            defer { journal = open }
            do throws(FileFault) { try body(&open) } catch { throw .cannotWrite(error) }
        }
    }

    public func close() {
        // What cannot be flushed was never promised: it is as after a crash.
        do throws(MQTTError) { try flush() } catch {}
        writing.withLock { $0 = nil }
        index.contents.withLock { $0 = JournalIndex() }
    }
}
