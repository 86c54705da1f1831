/// Cuts a stream of bytes into lines, with a limit on their length.
struct LineSplitter {
    enum Line: Equatable {
        case whole([UInt8])
        /// Longer than the limit. Its first bytes, up to the limit; the rest was dropped without being kept.
        case tooLong([UInt8])
    }

    private let limit: Int
    private var partial: [UInt8] = []
    private var isTooLong = false

    init(limit: Int) {
        self.limit = limit
    }

    /// What came behind the last line end, up to the limit.
    var rest: [UInt8] { partial }

    /// Whether what came behind the last line end is longer than the limit.
    var restIsTooLong: Bool { isTooLong }

    mutating func feed(_ chunk: ArraySlice<UInt8>, _ body: (Line) -> Void) {
        var remaining = chunk
        while let end = remaining.firstIndex(of: UInt8(ascii: "\n")) {
            keep(remaining[..<end])
            remaining = remaining[(end + 1)...]
            let line = partial
            partial = []
            body(isTooLong ? .tooLong(line) : .whole(line))
            isTooLong = false
        }
        keep(remaining)
    }

    private mutating func keep(_ bytes: ArraySlice<UInt8>) {
        let room = limit - partial.count
        if bytes.count > room { isTooLong = true }
        partial.append(contentsOf: bytes.prefix(room))
    }
}
