// Sends a file as one message, and receives one into a file, without holding it in memory.
import Foundation
import MQTT
import NIOCore

// snippet.source
/// A file that does not change while it is sent. It may be read more than once: at QoS 1 and 2 a message may go out again.
struct FileSource: PayloadSource {
    let path: String
    let count: Int

    init(path: String) throws {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        self.path = path
        count = Int(try file.seekToEnd())
    }

    func read(at offset: Int, count: Int) async throws -> ByteBuffer {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        try file.seek(toOffset: UInt64(offset))
        return ByteBuffer(bytes: try file.read(upToCount: count) ?? Data())
    }
}
// snippet.end

// snippet.send
func send(_ path: String, with client: MQTTClient) async throws {
    let delivery = try await client.publish(Payload(source: FileSource(path: path)), to: "firmware/image", .atLeastOnce)
    _ = try await delivery.completed
}
// snippet.end

// snippet.receive
func receive(into path: String, with client: MQTTClient) async throws {
    try await client.subscribe(to: "firmware/image") { messages in
        for try await message in messages {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            // The broker is not read faster than this loop writes. If the connection is lost in the middle, the loop throws, the
            // message is not acknowledged, and it comes again.
            do {
                for try await chunk in message.payload.chunks { try file.write(contentsOf: Data(chunk.readableBytesView)) }
                return
            } catch let error as MQTTError where error.code == .connectionLost {
                continue
            }
        }
    }
}
// snippet.end

let client = try MQTTClient(broker: "mqtt://127.0.0.1", session: .volatile(id: "updater"))
try await client.run { client in
    switch CommandLine.arguments.dropFirst() {
    case ["receive"]: try await receive(into: "/tmp/image.received", with: client)
    default: try await send("/tmp/image", with: client)
    }
}
