import MQTT
import NIOCore

/// Where the payload of `pub` comes from.
enum PayloadInput: Sendable {
    case bytes([UInt8])
    case file(String)
    case standardInput(mayBeEmpty: Bool)
    /// Each line is a message of its own.
    case lines

    /// What is kept in memory of one payload; the rest is read from a file whenever it is sent.
    static let memoryLimit = 1 << 20

    func payload(_ progress: PublishProgress) async throws -> Payload {
        switch self {
        case .bytes(let bytes): return Payload(bytes: bytes)
        case .lines: return .empty
        case .file(let path):
            do throws(SystemFile.Failure) {
                let file = try OpenFile(reading: path)
                guard file.regularLength == nil else { return try payload(file, progress) }
                // A pipe or a device: it cannot be read twice.
                return try await spooled(file.descriptor, progress)
            } catch {
                Complaints.say("\(path): \(error.message)")
                throw Running.Exit(status: ExitStatus.store)
            }
        case .standardInput(let mayBeEmpty):
            if Descriptor.input.isTerminal { Complaints.say("reading the message from the terminal; its end is Ctrl-D") }
            do throws(SystemFile.Failure) {
                let payload = try await spooled(.input, progress)
                guard payload.isEmpty, !mayBeEmpty else { return payload }
            } catch {
                Complaints.say("standard input: \(error.message)")
                throw Running.Exit(status: ExitStatus.store)
            }
            // As mosquitto_pub does: with -r it would clear the retained message, because a command before the pipe failed.
            Complaints.say("standard input is empty; an empty message is -n")
            throw Running.Exit(status: ExitStatus.failure)
        }
    }

    private func payload(_ file: OpenFile, _ progress: PublishProgress) throws(SystemFile.Failure) -> Payload {
        let length = file.regularLength ?? 0
        if length <= Self.memoryLimit { return Payload(bytes: try file.read(at: 0, count: length)) }
        return Payload(source: FilePayload(file: file, count: length, progress: progress))
    }

    private func spooled(_ descriptor: Descriptor, _ progress: PublishProgress) async throws(SystemFile.Failure) -> Payload {
        var spool = Spool(memoryLimit: Self.memoryLimit)
        while let chunk = await StandardInput.next(from: descriptor) { try spool.append(chunk) }
        switch spool.content {
        case .memory(let bytes): return Payload(bytes: bytes)
        case .file(let file): return Payload(source: FilePayload(file: file, count: spool.count, progress: progress))
        }
    }
}

/// The content of an open file, read when it is sent.
struct FilePayload: PayloadSource {
    let file: OpenFile
    let count: Int
    let progress: PublishProgress

    func read(at offset: Int, count: Int) async throws -> ByteBuffer {
        let bytes = try file.read(at: offset, count: count)
        progress.read(upTo: offset + bytes.count, of: self.count)
        return ByteBuffer(bytes: bytes)
    }
}
