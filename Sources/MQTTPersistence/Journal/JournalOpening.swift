internal import MQTTCore
internal import Synchronization

/// Reads a journal, and leaves every file as it is: what is written next goes to a new one.
struct JournalOpening {
    private struct Found {
        var number: UInt32
        var file: any StoreFile
        var size: Int
        var header: SegmentHeader?
        /// The bytes that count. Nil when the segment is void.
        var limit: Int?
    }

    private var journal: Journal
    private var found: [Found] = []
    private var loader = JournalLoader()
    private var damage: [StoreDamage] = []
    /// Records whose content is damaged, by the place of their report.
    private var damagedRecords: [Int: RecordHeader] = [:]

    private init(_ journal: Journal) { self.journal = journal }

    static func open(_ journal: Journal) throws(MQTTError) -> (Journal, StoreContents) {
        var opening = JournalOpening(journal)
        do throws(FileFault) { try opening.find() } catch { throw .cannotOpen(journal.directory, error) }
        // Before anything is made of them.
        for segment in opening.found {
            if let header = segment.header, header.version != SegmentHeader.version {
                throw .otherVersion(header.version, at: journal.path(of: segment.number), reads: SegmentHeader.version)
            }
        }
        do throws(FileFault) { return try opening.load() } catch { throw .cannotOpen(journal.directory, error) }
    }

    // MARK: Files

    private mutating func find() throws(FileFault) {
        let numbers = try journal.files.names(in: journal.directory).compactMap { name -> UInt32? in
            // Nobody makes more, and there must be numbers for those that follow.
            guard let number = UInt32(name.dropFirst(8)), 1...(.max / 2) ~= number, name == Journal.name(of: number) else { return nil }
            return number
        }
        for number in numbers.sorted() {
            let file = try journal.files.open(journal.path(of: number))
            let size = try file.size()
            var header = SegmentHeader(try file.read(at: 0, count: SegmentHeader.length))
            // Under another name it says nothing, of another version or not.
            if let intact = header, intact.version == SegmentHeader.version, intact.segment != number { header = nil }
            found.append(Found(number: number, file: file, size: size, header: header, limit: size))
        }
        journal.nextSegment = (found.last?.number ?? 0) + 1
    }

    /// What the headers say about the segments before.
    private mutating func limit() {
        for position in found.indices {
            guard let header = found[position].header else { continue }
            for earlier in found.indices where earlier < position {
                if found[earlier].number == header.previous {
                    found[earlier].limit = Int(clamping: header.previousLength)
                } else if found[earlier].number > header.previous {
                    found[earlier].limit = nil
                }
            }
        }
    }

    // MARK: Records

    private mutating func load() throws(FileFault) -> (Journal, StoreContents) {
        limit()
        for segment in found {
            let length = min(segment.limit ?? 0, segment.size)
            let end = try scan(segment, length)
            journal.segments.append(Journal.Segment(number: segment.number, file: segment.file, safeEnd: end, end: length))
        }
        try secure()
        var (index, contents, lost) = loader.finish()
        for segment in found { index.files[segment.number] = segment.file }
        try name(lost, index)
        journal.nextSequence = loader.lastSequence + 1
        try adopt(index)
        journal.index.contents.withLock { [index] in $0 = index }
        if !journal.unsynced.isEmpty { try journal.flush() }
        contents.damage = damage
        return (journal, contents)
    }

    /// Returns the end of what counts.
    private mutating func scan(_ segment: Found, _ length: Int) throws(FileFault) -> Int {
        guard let limit = segment.limit else { return 0 }
        let isLast = segment.number == found.last?.number
        if limit > segment.size { report("\(limit - segment.size) bytes are missing at its end", segment) }
        let bytes = try segment.file.read(at: 0, count: length)
        // A crash while it was made leaves one that is shorter than its header, and that the next one says nothing of: it held nothing.
        if segment.header == nil, !SegmentHeader.isCutOff(bytes) { report("its header is damaged", segment) }
        var end = min(length, SegmentHeader.length)
        var scanner = SegmentScanner(segment: segment.number, bytes: bytes)
        while let item = scanner.next() {
            switch item {
            case .record(let header, let offset):
                let head = header.action == .put ? scanner.head(header, at: offset) : []
                loader.add(header, at: offset, in: segment.number, head: head)
                end = offset + header.size
            case .damaged(let header, let offset):
                if header.action == .put {
                    loader.addDamaged(header, report: damage.count)
                    damagedRecords[damage.count] = header
                }
                report("the record at byte \(offset) is damaged", segment)
            case .gap(let gap):
                let isTail = isLast && gap.upperBound == length
                let cause = isTail ? "a write was cut off by a crash, or they are damaged" : "what they held is lost"
                report("\(gap.count) bytes at \(gap.lowerBound) are no record: \(cause)", segment)
            }
        }
        return end
    }

    private mutating func report(_ text: String, _ segment: Found) {
        damage.append(StoreDamage(nil, "\(journal.path(of: segment.number)): \(text)"))
        // Copied away, so that it is reported once or twice, and not for ever.
        journal.compaction.through = max(journal.compaction.through, segment.number)
    }

    /// Whether a damaged record is lost shows when all others are known.
    private mutating func name(_ lost: Set<Int>, _ index: JournalIndex) throws(FileFault) {
        for (report, header) in damagedRecords {
            let isThere = try isWrittenBefore(header, index)
            if lost.contains(report), !isThere {
                damage[report] = StoreDamage(header.key, "\(header.key): \(damage[report]), and lost")
            } else {
                damage[report].description += ", and not needed: nothing is lost"
            }
        }
    }

    /// A commit that failed in part was tried again, and that was cut off: what it said is there from the first time.
    private func isWrittenBefore(_ header: RecordHeader, _ index: JournalIndex) throws(FileFault) -> Bool {
        guard let location = index.location(of: header.key), let file = index.files[location.segment] else { return false }
        let bytes = try file.read(at: Int(location.offset), count: RecordHeader.length)
        guard let known = RecordHeader(record: bytes.span, at: Int(location.offset), in: location.segment) else { return false }
        return known.headLength == header.headLength && known.bodyLength == header.bodyLength
            && known.contentChecksum == header.contentChecksum
    }

    /// What was read may not be on disk: the process before may have been killed between write and sync. Nor may the names.
    private mutating func secure() throws(FileFault) {
        guard let last = journal.segments.last else { return }
        do throws(FileFault) {
            try last.file.sync()
            try journal.files.syncDirectory(journal.directory)
        } catch {
            // Not asked for again: all of it is written anew, before anything is made of it.
            var scanner = SegmentScanner(segment: last.number, bytes: try last.file.read(at: 0, count: last.end))
            while let item = scanner.next() {
                if case .record(let header, let offset) = item {
                    journal.unsynced.append((scanner.change(header, at: offset), header.sequence))
                }
            }
            journal.segments[journal.segments.count - 1].safeEnd = 0
        }
    }

    /// The live records belong to their segments, and the client to all.
    private mutating func adopt(_ index: JournalIndex) throws(FileFault) {
        var journal = journal
        var usage: [UInt32: (count: Int, bytes: Int)] = [:]
        func add(_ location: RecordLocation) {
            usage[location.segment, default: (0, 0)].count += 1
            usage[location.segment, default: (0, 0)].bytes += location.size
        }
        index.publishes.visit { add($1) }
        for (key, record) in index.others {
            add(record.location)
            guard key == .client, let file = index.files[record.location.segment] else { continue }
            let location = record.location
            let content = try file.read(at: Int(location.offset) + RecordHeader.length, count: location.size - RecordHeader.length)
            let headLength = Int(location.headLength)
            journal.client = (.put(.client, head: Array(content[..<headLength]), body: Array(content[headLength...])), record.sequence)
        }
        for position in journal.segments.indices {
            guard let used = usage[journal.segments[position].number] else { continue }
            journal.segments[position].liveCount = used.count
            journal.segments[position].liveBytes = used.bytes
        }
        self.journal = journal
    }
}
