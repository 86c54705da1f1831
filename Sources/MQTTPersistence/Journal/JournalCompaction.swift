internal import Synchronization

/// How far the oldest segment is copied, a piece with each commit.
struct JournalCompaction: Sendable {
    var scanner: SegmentScanner?
    /// The whole segment was gone through.
    var isDone = false
    /// Segments up to this one are to go, however full they are: they are damaged.
    var through: UInt32 = 0
    /// This segment cannot be read. What it holds stays there.
    var unreadable: UInt32 = 0

    mutating func restart() {
        scanner = nil
        isDone = false
    }
}

/// Space that nothing needs is given back from the oldest segment on: in this order no removal on disk can outlive what it removes.
extension Journal {
    /// Copied with one commit at least, and the multiple of the commit's own size: bounds what compaction adds to a commit.
    private static let leastCopied = 256 << 10
    private static let copiedPerWritten = 2
    private static let removedPerCommit = 4

    /// Files take at most about four times the live records, and four segments.
    private var isCompactionDue: Bool {
        guard segments.count > 1, let front = segments.first, front.number != compaction.unreadable else { return false }
        if front.number <= compaction.through { return true }
        var (total, live) = (0, 0)
        for segment in segments {
            total += segment.end
            live += segment.liveBytes
        }
        return total > 2 * live + 4 * segmentLimit || segments.count > 8 + 4 * total / segmentLimit
    }

    /// Copies live records of the oldest segment to the end of the journal.
    mutating func compact(into batch: inout Batch, _ changes: [StoreChange]) throws(FileFault) {
        guard isCompactionDue, let front = segments.first, !compaction.isDone else { return }
        if compaction.scanner?.segment != front.number {
            do throws(FileFault) {
                let bytes = front.liveCount == 0 ? [] : try front.file.read(at: 0, count: front.end)
                compaction.scanner = SegmentScanner(segment: front.number, bytes: bytes)
            } catch {
                compaction.unreadable = front.number
                return
            }
        }
        var budget = Self.leastCopied
        for change in changes {
            if case .put(_, let head, let body) = change { budget += Self.copiedPerWritten * (head.count + body.count) }
        }
        guard var scanner = compaction.scanner else { return }
        while budget > 0 {
            guard let item = scanner.next() else {
                compaction.isDone = true
                break
            }
            guard case .record(let header, let offset) = item, header.action == .put, isLive(header.key, at: offset, in: front.number)
            else { continue }
            try stage(scanner.change(header, at: offset), sequence: header.sequence, into: &batch)
            budget -= header.size
        }
        compaction.scanner = scanner
    }

    private func isLive(_ key: RecordKey, at offset: Int, in segment: UInt32) -> Bool {
        let location = index.contents.withLock { $0.location(of: key) }
        return location.map { $0.segment == segment && Int($0.offset) == offset } ?? false
    }

    /// Removes old segments that nothing is needed of. Only when all is synced: what makes them dead must not be lost before them.
    mutating func reclaim() {
        guard unsynced.isEmpty else { return }
        for _ in 0..<Self.removedPerCommit {
            guard segments.count > 1 || !isActive, let front = segments.first else { return }
            if compaction.isDone, compaction.scanner?.segment == front.number, front.liveCount > 0 {
                // It was read from end to end: the rest is damaged, and reading it says so for as long as it is asked for.
                index.contents.withLock { $0.removeAll(in: front.number) }
                segments[0].liveCount = 0
                segments[0].liveBytes = 0
            }
            guard segments[0].liveCount == 0, remove(front) else { return }
        }
    }

    /// Each removal is on disk before the next: the deletions in a segment outlive the records in those before.
    private mutating func remove(_ front: Segment) -> Bool {
        do throws(FileFault) {
            if !front.isRemoved { try files.remove(path(of: front.number)) }
            segments[0].isRemoved = true
            try files.syncDirectory(directory)
        } catch {
            // It takes space, no more. The next commit tries again.
            return false
        }
        if compaction.scanner?.segment == front.number { compaction.restart() }
        segments.removeFirst()
        index.contents.withLock { $0.files[front.number] = nil }
        return true
    }
}
