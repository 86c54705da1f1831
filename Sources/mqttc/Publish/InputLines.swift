/// The lines of standard input, as they come.
struct InputLines {
    /// The longest payload that a packet can hold, and then some: it is refused when it is published.
    private static let limit = 1 << 28

    private var splitter = LineSplitter(limit: limit)
    private var isAtEnd = false

    /// Each line without its end; a last line needs no end. Nil when there are no more.
    mutating func next() async throws -> [[UInt8]]? {
        if isAtEnd { return nil }
        var lines: [[UInt8]] = []
        var isTooLong = false
        let chunk: [UInt8]?
        do throws(SystemFile.Failure) { chunk = try await StandardInput.next() } catch {
            throw PayloadInput.unreadable(PayloadInput.standardInputName, error)
        }
        guard let chunk else {
            isAtEnd = true
            return splitter.rest.isEmpty ? nil : [splitter.rest]
        }
        splitter.feed(chunk[...]) { line in
            switch line {
            case .whole(let bytes): lines.append(bytes)
            case .tooLong: isTooLong = true
            }
        }
        guard !isTooLong, !splitter.restIsTooLong else {
            Complaints.say("a line is longer than any message")
            throw Running.Exit(status: ExitStatus.usage)
        }
        return lines
    }
}
