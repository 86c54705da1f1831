/// A directory store while it is open.
struct OpenDirectory: Sendable {
    enum Loaded {
        case contents(StoreContents)
        case otherVersion(UInt32, path: String)
    }

    private let directory: String
    private let files: any StoreFileSystem
    private let lock: any StoreLock
    private(set) var keys: Set<RecordKey> = []
    private var nextSequence: UInt64 = 1
    private var spoolNumber = 0
    /// Names have changed that the disk may not know of.
    private var needsSync = false
    /// To be removed when the removal of their publish is on disk. Otherwise a crash could leave a publish that was complete, without
    /// the fact that its PUBREC came: it would be sent again.
    private var orphans: [RecordKey] = []

    init(directory: String, files: any StoreFileSystem, lock: any StoreLock) {
        self.directory = directory
        self.files = files
        self.lock = lock
    }

    private func path(of key: RecordKey) -> String { "\(directory)/\(ValueFile.name(of: key))" }

    // MARK: Opening

    mutating func load() throws(FileFault) -> Loaded {
        var entries: [(key: RecordKey, order: UInt64, entry: StoreEntry)] = []
        var damaged: [RecordKey] = []
        let names = try files.names(in: directory)
        for key in names.compactMap(ValueFile.key(named:)) {
            let file = try files.open(path(of: key))
            switch ValueFile.read(try file.read(at: 0, count: try file.size())) {
            case .intact(let value) where value.key == key:
                entries.append((key, value.sequence, StoreEntry(key, head: value.head, bodyLength: value.body.count)))
                nextSequence = max(nextSequence, value.sequence + 1)
            case .intact, .damaged: damaged.append(key)
            case .otherVersion(let version): return .otherVersion(version, path: path(of: key))
            }
        }
        // Nothing was changed up to here.
        var contents = StoreContents()
        for key in damaged {
            let name = "damaged-\(ValueFile.name(of: key))"
            contents.damage.append(
                StoreDamage(key, "\(key): \(path(of: key)) is damaged. It is lost, and its file has the name \(name) now"))
            try files.rename(path(of: key), to: "\(directory)/\(name)")
        }
        for name in names where name.hasPrefix("spool-") { try files.remove("\(directory)/\(name)") }
        // The process before may have been killed between rename and sync.
        try files.syncDirectory(directory)
        entries.sort { RecordKey.precedes(($0.key, $0.order), ($1.key, $1.order)) }
        for entry in entries {
            contents.append(entry.entry)
            keys.insert(entry.key)
        }
        return .contents(contents)
    }

    // MARK: Commits

    mutating func commit(_ changes: [StoreChange]) throws(FileFault) {
        for change in changes {
            switch change {
            case .put(let key, let head, let body): try put(key, head: head, body: body)
            case .delete(let key, _):
                try remove(key)
                if case .publish(let number) = key, keys.contains(.received(number)) { orphans.append(.received(number)) }
            case .deleteAllInbound:
                for key in keys where key.isInbound { try remove(key) }
            }
        }
        if !changes.allSatisfy(\.isLazy) { try sync() }
    }

    private mutating func put(_ key: RecordKey, head: [UInt8], body: [UInt8]) throws(FileFault) {
        let value = ValueFile(key: key, sequence: try ChangeCount.take(&nextSequence), head: head, body: body)
        spoolNumber += 1
        let spool = "\(directory)/spool-\(spoolNumber)"
        do throws(FileFault) {
            let file = try files.create(spool)
            try file.write(value.bytes, at: 0)
            try file.sync()
            try files.rename(spool, to: path(of: key))
        } catch {
            // What is left of it goes when the store is opened next, if not now.
            do throws(FileFault) { try files.remove(spool) } catch {}
            throw error
        }
        orphans.removeAll { $0 == key }
        keys.insert(key)
        needsSync = true
    }

    private mutating func remove(_ key: RecordKey) throws(FileFault) {
        guard keys.contains(key) else { return }
        try files.remove(path(of: key))
        keys.remove(key)
        needsSync = true
    }

    mutating func sync() throws(FileFault) {
        // Names are not written again after a failed sync, as bytes are: a file under its final name was synced before.
        if needsSync { try files.syncDirectory(directory) }
        needsSync = false
        while let key = orphans.last {
            try remove(key)
            orphans.removeLast()
        }
        if needsSync { try files.syncDirectory(directory) }
        needsSync = false
    }
}
