// What a Mosquitto process writes, line by line, kept for the message of a failing test.
import Synchronization

/// The log of a broker over all its starts.
final class MosquittoLog: Sendable {
    private let kept = Mutex("")

    var text: String { kept.withLock { $0 } }

    /// Where the output of one process goes, and its lines until the process is gone, which an empty array says. They are kept whether
    /// or not anybody reads them, so that the process never waits for a reader.
    func attach() -> (output: @Sendable ([UInt8]) -> Void, lines: AsyncStream<String>) {
        let (lines, continuation) = AsyncStream.makeStream(of: String.self)
        let rest = PartialLine()
        let output: @Sendable ([UInt8]) -> Void = { [self] bytes in
            for line in rest.lines(adding: bytes) {
                kept.withLock { $0 += line + "\n" }
                continuation.yield(line)
            }
            if bytes.isEmpty { continuation.finish() }
        }
        return (output, lines)
    }
}

/// What came after the last line break.
private final class PartialLine: Sendable {
    private let rest = Mutex([UInt8]())

    func lines(adding bytes: [UInt8]) -> [String] {
        rest.withLock { rest in
            rest += bytes
            var parts = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            rest = parts.popLast().map(Array.init) ?? []
            return parts.map { String(decoding: $0, as: UTF8.self) }
        }
    }
}
