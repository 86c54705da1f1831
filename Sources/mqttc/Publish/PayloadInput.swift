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

    /// Whether somebody types it.
    var isTyped: Bool {
        switch self {
        case .bytes, .file: false
        case .standardInput, .lines: Descriptor.input.isTerminal
        }
    }

    static let standardInputName = "standard input"

    /// Says what cannot be read.
    static func unreadable(_ name: String, _ failure: SystemFile.Failure) -> Running.Exit {
        Complaints.say("\(name): \(failure.message)")
        return Running.Exit(status: ExitStatus.store)
    }

    func payload(_ progress: PublishProgress) async throws -> Payload {
        switch self {
        case .bytes(let bytes): return Payload(bytes: bytes)
        case .lines: return .empty
        case .file(let path):
            do throws(SystemFile.Failure) {
                let file = try OpenFile(reading: path)
                if let length = file.regularLength, length > 0 { return try payload(file, length, path, progress) }
                // A pipe or a device, which cannot be read twice, or a file that only reading tells the length of, as in /proc.
                return try await spooled(file.descriptor, path, progress)
            } catch {
                throw Self.unreadable(path, error)
            }
        case .standardInput(let mayBeEmpty):
            if Descriptor.input.isTerminal { Complaints.say("reading the message from the terminal; its end is Ctrl-D") }
            do throws(SystemFile.Failure) {
                let payload = try await spooled(.input, Self.standardInputName, progress)
                guard payload.isEmpty, !mayBeEmpty else { return payload }
            } catch {
                throw Self.unreadable(Self.standardInputName, error)
            }
            // As mosquitto_pub does: with -r it would clear the retained message, because a command before the pipe failed.
            Complaints.say("standard input is empty; an empty message is -n")
            throw Running.Exit(status: ExitStatus.failure)
        }
    }

    private func payload(
        _ file: OpenFile, _ length: Int, _ path: String, _ progress: PublishProgress
    ) throws(SystemFile.Failure) -> Payload {
        if length <= Self.memoryLimit { return Payload(bytes: try file.read(at: 0, count: length)) }
        return Payload(source: FilePayload(file: file, name: path, count: length, progress: progress))
    }

    private func spooled(
        _ descriptor: Descriptor, _ name: String, _ progress: PublishProgress
    ) async throws(SystemFile.Failure) -> Payload {
        var spool = Spool(memoryLimit: Self.memoryLimit)
        while let chunk = try await StandardInput.next(from: descriptor) {
            try spool.append(chunk)
            // It may have no end.
            if spool.count > Bounds.payload.upperBound { throw .tooLarge }
        }
        switch spool.content {
        case .memory(let bytes): return Payload(bytes: bytes)
        case .file(let file): return Payload(source: FilePayload(file: file, name: name, count: spool.count, progress: progress))
        }
    }
}

/// The content of an open file, read when it is sent.
struct FilePayload: PayloadSource {
    struct Unreadable: Error, CustomStringConvertible {
        let description: String
    }

    let file: OpenFile
    let name: String
    let count: Int
    let progress: PublishProgress

    func read(at offset: Int, count: Int) async throws -> ByteBuffer {
        let bytes: [UInt8]
        do throws(SystemFile.Failure) { bytes = try file.read(at: offset, count: count) } catch {
            throw Unreadable(description: "\(name): \(error.message)")
        }
        progress.read(upTo: offset + bytes.count, of: self.count)
        return ByteBuffer(bytes: bytes)
    }
}
