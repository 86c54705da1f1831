/// Whether a topic repeats: asked for each received message, so sixteen bytes at a time.
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
        // The last eight bytes may overlap those before.
        var difference = differing(mine, range.lowerBound + count - 8, theirs, count - 8)
        var index = 0
        while index + 16 <= count {
            difference |= differing(mine, range.lowerBound + index, theirs, index)
            difference |= differing(mine, range.lowerBound + index + 8, theirs, index + 8)
            if difference != 0 { return false }
            index += 16
        }
        if index + 8 <= count { difference |= differing(mine, range.lowerBound + index, theirs, index) }
        return difference == 0
    }

    /// The bits in which eight bytes of each differ. They are there.
    @inline(__always) private static func differing(_ mine: RawSpan, _ first: Int, _ theirs: RawSpan, _ second: Int) -> UInt64 {
        unsafe mine.unsafeLoadUnaligned(fromUncheckedByteOffset: first, as: UInt64.self)
            ^ theirs.unsafeLoadUnaligned(fromUncheckedByteOffset: second, as: UInt64.self)
    }
}
