import Dispatch

@testable import mqttc

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A pipe of the operating system, for what writes to descriptors.
struct OutputPipe {
    let reader: Descriptor
    let writer: Descriptor

    init() {
        var ends: [Int32] = [-1, -1]
        _ = unsafe pipe(&ends)
        reader = Descriptor(number: ends[0])
        writer = Descriptor(number: ends[1])
    }

    func closeReader() { _ = close(reader.number) }
    func closeWriter() { _ = close(writer.number) }

    /// Blocks until so many bytes came, or the end.
    func read(_ count: Int) -> [UInt8] {
        var all: [UInt8] = []
        var chunk: [UInt8] = []
        while all.count < count, (try? reader.read(into: &chunk, atMost: count - all.count)) == true { all += chunk }
        return all
    }

    /// On a thread of its own: the tasks that write need those of the pool.
    func nextLines(_ count: Int) async -> [String] {
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "reader").async { continuation.resume(returning: readLines(count)) }
        }
    }

    func next(_ count: Int) async -> [UInt8] {
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "reader").async { continuation.resume(returning: read(count)) }
        }
    }

    func readLines(_ count: Int) -> [String] {
        var text: [UInt8] = []
        var lines = 0
        var chunk: [UInt8] = []
        while lines < count, (try? reader.read(into: &chunk, atMost: 1)) == true {
            text += chunk
            if chunk == [UInt8(ascii: "\n")] { lines += 1 }
        }
        return text.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    }
}
