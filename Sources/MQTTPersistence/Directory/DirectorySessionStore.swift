public import MQTTCore
internal import Synchronization

/// Keeps a session in a directory, each record in a file of its own: simple to look at, to back up and to repair.
///
/// A record costs two syncs, so that ``JournalSessionStore`` is many times faster. Each file is written whole under another name, synced,
/// and renamed. Damaged files are renamed too, with `damaged-` before their name, and are left to people.
public final class DirectorySessionStore: SessionStore {
    /// The directory with the records, and nothing else.
    public let path: String

    private let files: any StoreFileSystem
    private let state = Mutex<OpenDirectory?>(nil)

    /// - Parameter path: A directory for this session alone. It is made when the store is opened, with those above it.
    public convenience init(at path: String) { self.init(at: path, files: SystemFileSystem()) }

    package init(at path: String, files: any StoreFileSystem) {
        self.path = path
        self.files = files
    }

    public func open() throws(MQTTError) -> StoreContents {
        try state.withLock { state throws(MQTTError) in
            guard state == nil else { throw .storeAlreadyOpen() }
            let lock: (any StoreLock)?
            do throws(FileFault) {
                try files.makeDirectory(path)
                lock = try files.lock("\(path)/lock")
            } catch { throw .cannotOpen(path, error) }
            guard let lock else { throw .storeLocked(path) }
            var opened = OpenDirectory(directory: path, files: files, lock: lock)
            let loaded: OpenDirectory.Loaded
            do throws(FileFault) { loaded = try opened.load() } catch { throw .cannotOpen(path, error) }
            switch loaded {
            case .otherVersion(let version, let path): throw .otherVersion(version, at: path, reads: ValueFile.version)
            case .contents(let contents):
                state = opened
                return contents
            }
        }
    }

    public func record(of key: RecordKey) throws(MQTTError) -> StoredRecord {
        guard state.withLock({ $0?.keys.contains(key) ?? false }) else { throw .noRecord() }
        let bytes: [UInt8]
        do throws(FileFault) {
            let file = try files.open("\(path)/\(ValueFile.name(of: key))")
            bytes = try file.read(at: 0, count: try file.size())
        } catch { throw .cannotRead(error) }
        guard case .intact(let value) = ValueFile.read(bytes), value.key == key else { throw .damagedRecord() }
        return StoredRecord(head: value.head, body: value.body)
    }

    public func commit(_ changes: [StoreChange]) throws(MQTTError) {
        for change in changes {
            guard case .put(_, let head, let body) = change else { continue }
            if head.count > ValueFile.headLimit { throw .recordTooLong(head.count, limit: ValueFile.headLimit) }
            if body.count > ValueFile.bodyLimit { throw .recordTooLong(body.count, limit: ValueFile.bodyLimit) }
        }
        try state.withLock { state throws(MQTTError) in
            guard var opened = state.take() else { throw .storeNotOpen() }
            defer { state = opened }
            do throws(FileFault) { try opened.commit(changes) } catch { throw .cannotWrite(error) }
        }
    }

    public func flush() throws(MQTTError) {
        try state.withLock { state throws(MQTTError) in
            guard var opened = state.take() else { throw .storeNotOpen() }
            defer { state = opened }
            do throws(FileFault) { try opened.sync() } catch { throw .cannotWrite(error) }
        }
    }

    public func close() {
        // What cannot be flushed was never promised: it is as after a crash.
        do throws(MQTTError) { try flush() } catch {}
        state.withLock { $0 = nil }
    }
}
