import Dispatch

/// Standard input, read on a thread of its own: it may be a file, a pipe or a terminal, and reading it may block for ever.
enum StandardInput {
    private static let queue = DispatchQueue(label: "mqttc.input")
    private static let chunkSize = 65_536

    /// Calls `body` with each chunk on the reading thread, and `end` after the last. Reading goes on only when `body` returned.
    static func read(_ body: @escaping @Sendable ([UInt8]) -> Void, end: @escaping @Sendable () -> Void) {
        queue.async {
            var chunk: [UInt8] = []
            while Descriptor.input.read(into: &chunk, atMost: chunkSize) { body(chunk) }
            end()
        }
    }

    /// The chunks as a sequence that reads only on demand, one ahead at most.
    static func next(from descriptor: Descriptor = .input) async -> [UInt8]? {
        await withCheckedContinuation { continuation in
            queue.async {
                var chunk: [UInt8] = []
                let isMore = descriptor.read(into: &chunk, atMost: chunkSize)
                continuation.resume(returning: isMore ? chunk : nil)
            }
        }
    }
}
