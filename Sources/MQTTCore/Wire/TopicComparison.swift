/// Whether a topic repeats: asked for each received message, so eight bytes at a time.
///
/// One of the few files with `unsafe`: loads are checked against the ends of both spans, and any bytes are an integer.
enum TopicComparison {
    static func isEqual(_ bytes: Span<UInt8>, _ range: Range<Int>, _ last: Span<UInt8>) -> Bool {
        guard range.count == last.count else { return false }
        let count = last.count
        guard count >= 8 else {
            for index in 0..<count where bytes[range.lowerBound + index] != last[index] { return false }
            return true
        }
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "the range is not in the bytes")
        let (mine, theirs) = unsafe (bytes.bytes, last.bytes)
        var index = 0
        while true {
            let left = unsafe mine.unsafeLoadUnaligned(fromUncheckedByteOffset: range.lowerBound + index, as: UInt64.self)
            let right = unsafe theirs.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
            if left != right { return false }
            if index == count - 8 { return true }
            // The last eight bytes may overlap those before.
            index = min(index + 8, count - 8)
        }
    }
}
