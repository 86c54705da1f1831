internal import MQTTCore

/// Goes through the records of a segment, over everything that is damaged.
struct SegmentScanner: Sendable {
    enum Item: Equatable {
        case record(RecordHeader, offset: Int)
        /// The header is intact, head or body is not.
        case damaged(RecordHeader, offset: Int)
        /// Nothing intact here.
        case gap(Range<Int>)
    }

    let segment: UInt32
    let bytes: [UInt8]
    private var position = SegmentHeader.length

    init(segment: UInt32, bytes: [UInt8]) {
        self.segment = segment
        self.bytes = bytes
    }

    mutating func next() -> Item? {
        guard position < bytes.count else { return nil }
        let (item, end) = item(at: position)
        position = end
        return item
    }

    private func item(at offset: Int) -> (Item, end: Int) {
        let span = bytes.span
        guard let header = RecordHeader(span, at: offset, in: segment) else {
            let end = nextHeader(in: span, after: offset)
            return (.gap(offset..<end), end)
        }
        let end = offset + header.size
        // The length is right, so that there is nothing behind.
        guard end <= span.count else { return (.damaged(header, offset: offset), span.count) }
        let content = Checksum.of(span.extracting(offset + RecordHeader.length..<end))
        let isIntact = content == header.contentChecksum
        return (isIntact ? .record(header, offset: offset) : .damaged(header, offset: offset), end)
    }

    func head(_ header: RecordHeader, at offset: Int) -> ArraySlice<UInt8> {
        bytes[offset + RecordHeader.length..<offset + RecordHeader.length + header.headLength]
    }

    func change(_ header: RecordHeader, at offset: Int) -> StoreChange {
        switch header.action {
        case .put:
            let head = head(header, at: offset)
            return .put(header.key, head: Array(head), body: Array(bytes[head.endIndex..<head.endIndex + header.bodyLength]))
        case .delete: return .delete(header.key)
        case .deleteAllInbound: return .deleteAllInbound
        }
    }

    /// The place of the next intact header, or the end.
    private func nextHeader(in span: Span<UInt8>, after offset: Int) -> Int {
        let first = RecordHeader.mark[0]
        var index = offset + 1
        while index + RecordHeader.length <= span.count {
            if span[index] == first, RecordHeader(span, at: index, in: segment) != nil { return index }
            index += 1
        }
        return span.count
    }
}
