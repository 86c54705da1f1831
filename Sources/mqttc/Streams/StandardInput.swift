import Dispatch

/// Standard input, read on a thread of its own: it may be a file, a pipe or a terminal, and reading it may block for ever.
enum StandardInput {
    private static let queue = DispatchQueue(label: "mqttc.input")
    private static let chunkSize = 65_536

    /// Calls `body` with each chunk on the reading thread, and `end` after the last. Reading goes on only when `body` returned.
    ///
    /// - Parameter end: Gets why nothing more can be read, if that is not the end of the input.
    static func read(_ body: @escaping @Sendable ([UInt8]) -> Void, end: @escaping @Sendable (SystemFile.Failure?) -> Void) {
        queue.async {
            var chunk: [UInt8] = []
            do throws(SystemFile.Failure) {
                while try Descriptor.input.read(into: &chunk, atMost: chunkSize) { body(chunk) }
                end(nil)
            } catch {
                end(error)
            }
        }
    }

    /// The next chunk. Nil at the end.
    static func next(from descriptor: Descriptor = .input) async throws(SystemFile.Failure) -> [UInt8]? {
        let result = await withCheckedContinuation { (continuation: CheckedContinuation<Result<[UInt8]?, SystemFile.Failure>, Never>) in
            queue.async {
                var chunk: [UInt8] = []
                continuation.resume(
                    returning: Result { () throws(SystemFile.Failure) in
                        try descriptor.read(into: &chunk, atMost: chunkSize) ? chunk : nil
                    })
            }
        }
        return try result.get()
    }
}
