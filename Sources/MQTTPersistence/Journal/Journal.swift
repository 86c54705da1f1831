internal import Synchronization

/// The writing side of an open journal: one file after the other, each written at its end alone.
struct Journal: Sendable {
    struct Segment: Sendable {
        let number: UInt32
        let file: any StoreFile
        /// Everything before is on disk.
        var safeEnd: Int
        /// Written so far.
        var end: Int
        /// What the live records in it take.
        var liveBytes = 0
        var liveCount = 0
        /// Its name is gone, but maybe not on disk.
        var isRemoved = false
    }

    /// Records on their way to the end of the segment.
    struct Batch {
        var bytes: [UInt8] = []
        var staged: [(change: StoreChange, sequence: UInt64, location: RecordLocation)] = []
    }

    let directory: String
    let files: any StoreFileSystem
    let segmentLimit: Int
    let durability: Durability
    let index: SharedJournalIndex
    let lock: any StoreLock

    /// By number. The last is written to while `isActive`.
    var segments: [Segment] = []
    var isActive = false
    var nextSegment: UInt32 = 1
    var nextSequence: UInt64 = 1
    /// In the index, and not known to be on disk. Should a sync fail, they are written again.
    var unsynced: [(change: StoreChange, sequence: UInt64)] = []
    private var unsyncedBytes = 0
    private var needsDirectorySync = false
    private var lastSync = ContinuousClock.now
    /// Repeated in each segment: it costs little, and nothing else is as important.
    var client: (change: StoreChange, sequence: UInt64)?
    var compaction = JournalCompaction()

    init(
        directory: String, files: any StoreFileSystem, segmentLimit: Int, durability: Durability, lock: any StoreLock,
        index: SharedJournalIndex
    ) {
        self.directory = directory
        self.files = files
        self.segmentLimit = segmentLimit
        self.durability = durability
        self.lock = lock
        self.index = index
    }

    static func name(of segment: UInt32) -> String {
        let digits = String(segment)
        return "journal-" + String(repeating: "0", count: 10 - digits.count) + digits
    }

    func path(of segment: UInt32) -> String { "\(directory)/\(Self.name(of: segment))" }

    // MARK: Commits

    mutating func commit(_ changes: [StoreChange]) throws(FileFault) {
        guard !changes.isEmpty else { return }
        do throws(FileFault) {
            try resume()
            var batch = Batch()
            // Copies first: a change of the same record comes behind.
            try compact(into: &batch, changes)
            for change in changes {
                try stage(change, sequence: try ChangeCount.take(&nextSequence), into: &batch)
            }
            try finish(&batch, synced: isSyncDue(changes))
            reclaim()
        } catch {
            abandon()
            throw error
        }
    }

    mutating func flush() throws(FileFault) {
        do throws(FileFault) {
            if !unsynced.isEmpty {
                try resume()
                if !unsynced.isEmpty { try sync() }
            }
            reclaim()
        } catch {
            abandon()
            throw error
        }
    }

    /// How much a journal keeps in memory, to write it again should a sync fail.
    private static let unsyncedLimit = 4 << 20

    private func isSyncDue(_ changes: [StoreChange]) -> Bool {
        if unsyncedBytes > Self.unsyncedLimit { return true }
        switch durability {
        case .everyCommit: return !changes.allSatisfy(\.isLazy)
        case .interval(let interval): return lastSync.duration(to: .now) >= interval
        }
    }

    // MARK: Records

    /// Encodes a change for the end of the active segment, or of the next one when that is full.
    mutating func stage(_ change: StoreChange, sequence: UInt64, into batch: inout Batch) throws(FileFault) {
        let header = RecordHeader(change, sequence: sequence)
        let last = segments.count - 1
        let isEmpty = segments[last].end == 0 && batch.staged.count <= 1
        if !isEmpty, segments[last].end + batch.bytes.count + header.size > segmentLimit {
            try finish(&batch, synced: true)
            try startSegment(into: &batch)
        }
        append(change, header, to: &batch)
    }

    private func append(_ change: StoreChange, _ header: RecordHeader, to batch: inout Batch) {
        let segment = segments[segments.count - 1]
        let offset = segment.end + batch.bytes.count
        header.append(to: &batch.bytes, at: offset, in: segment.number)
        if case .put(_, let head, let body) = change {
            batch.bytes.append(contentsOf: head)
            batch.bytes.append(contentsOf: body)
        }
        let location = RecordLocation(
            segment: segment.number, offset: UInt32(offset), headLength: UInt32(header.headLength), bodyLength: UInt32(header.bodyLength))
        batch.staged.append((change, header.sequence, location))
    }

    /// Writes the batch. It counts once that, and the sync when there is to be one, went well.
    mutating func finish(_ batch: inout Batch, synced: Bool) throws(FileFault) {
        let last = segments.count - 1
        if !batch.bytes.isEmpty {
            try segments[last].file.write(batch.bytes, at: segments[last].end)
            segments[last].end += batch.bytes.count
        }
        if synced {
            try sync()
        } else {
            unsynced.append(contentsOf: batch.staged.map { ($0.change, $0.sequence) })
            unsyncedBytes += batch.bytes.count
        }
        apply(batch)
        batch.bytes.removeAll(keepingCapacity: true)
        batch.staged.removeAll(keepingCapacity: true)
    }

    private mutating func apply(_ batch: Batch) {
        for (change, sequence, _) in batch.staged {
            switch change {
            case .put(.client, _, _): client = (change, sequence)
            case .delete(.client, _): client = nil
            case .put, .delete, .deleteAllInbound: break
            }
        }
        let left = index.contents.withLock { index in
            var left: [RecordLocation] = []
            for (change, sequence, location) in batch.staged {
                switch change {
                case .put(let key, _, _): if let old = index.set(key, location, sequence: sequence) { left.append(old) }
                case .delete, .deleteAllInbound: left.append(contentsOf: index.remove(with: change))
                }
            }
            return left
        }
        for (change, _, location) in batch.staged {
            if case .put = change { count(location, by: 1) }
        }
        for location in left { count(location, by: -1) }
    }

    mutating func count(_ location: RecordLocation, by difference: Int) {
        guard let position = segments.lastIndex(where: { $0.number == location.segment }) else { return }
        segments[position].liveCount += difference
        segments[position].liveBytes += difference * location.size
    }

    // MARK: Segments

    /// Makes sure that there is a segment to write to, and that everything unsynced is in it or behind it.
    private mutating func resume() throws(FileFault) {
        guard !isActive else { return }
        var batch = Batch()
        try startSegment(into: &batch)
        for (change, sequence) in unsynced { append(change, RecordHeader(change, sequence: sequence), to: &batch) }
        if !unsynced.isEmpty {
            // The header makes void what these records stand for, some of which may have been promised: it comes when they are safe.
            let last = segments[segments.count - 1]
            try last.file.write(Array(batch.bytes[SegmentHeader.length...]), at: SegmentHeader.length)
            try last.file.sync()
        }
        try finish(&batch, synced: true)
    }

    private mutating func startSegment(into batch: inout Batch) throws(FileFault) {
        let number = nextSegment
        let file = try files.create(path(of: number))
        nextSegment += 1
        let previous = segments.last { $0.safeEnd > 0 }
        let header = SegmentHeader(
            segment: number, previous: previous?.number ?? 0, previousLength: UInt64(previous?.safeEnd ?? 0))
        segments.append(Segment(number: number, file: file, safeEnd: 0, end: 0))
        index.contents.withLock { $0.files[number] = file }
        isActive = true
        needsDirectorySync = true
        batch.bytes = header.bytes
        if let client { append(client.change, RecordHeader(client.change, sequence: client.sequence), to: &batch) }
    }

    private mutating func sync() throws(FileFault) {
        let last = segments.count - 1
        try segments[last].file.sync()
        if needsDirectorySync {
            try files.syncDirectory(directory)
            needsDirectorySync = false
        }
        segments[last].safeEnd = segments[last].end
        unsynced.removeAll(keepingCapacity: true)
        unsyncedBytes = 0
        lastSync = .now
    }

    /// After a failure, nothing more is written to this segment: what of it is on disk cannot be known.
    private mutating func abandon() {
        compaction.restart()
        guard isActive else { return }
        isActive = false
        let last = segments[segments.count - 1]
        if last.safeEnd == 0, last.liveCount == 0 {
            // When it cannot be removed, the header of the next segment makes it void.
            do throws(FileFault) { try files.remove(path(of: last.number)) } catch { return }
            segments.removeLast()
            index.contents.withLock { $0.files[last.number] = nil }
        }
    }
}
