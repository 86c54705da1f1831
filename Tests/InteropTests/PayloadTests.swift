// Payloads of all sizes through Mosquitto, and what the large ones cost.
import Foundation
import MQTT
import NIOCore
import Synchronization
import Testing

@Suite("Payloads through Mosquitto", .mosquittoIsInstalled, .serialized, .timeLimit(.minutes(3)))
struct PayloadTests {
    @Test("Payloads around each bound of the client arrive unchanged", arguments: QoS.allCases)
    func sizes(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started()
        try await mosquitto.withClient("client") { client in
            try await client.subscribe(to: "sizes", atMost: qos) { messages in
                var iterator = messages.makeAsyncIterator()
                // Lengths of one to four bytes, the bound of copied payloads, and that of streamed ones with the head around it.
                let wholePayload = 256 << 10
                let sizes = [
                    0, 1, 118, 119, 120, 2047, 2048, 2049, 16_374, 16_375, 16_376, 65_535, 65_536, wholePayload - 9, wholePayload - 8,
                    wholePayload - 7, wholePayload, wholePayload + 1, 1 << 20, 2_097_143, 2_097_144, 2_097_145,
                ]
                for size in sizes {
                    let bytes = Pattern(count: size).all
                    try await client.publish(Payload(bytes), to: "sizes", qos)
                    let message = try #require(try await iterator.next())
                    #expect(message.payload.count == size)
                    #expect(try await message.payload.collect(upTo: size) == bytes, "\(size) bytes")
                }
            }
        }
    }

    @Test("Large payloads that nobody reads are skipped, and the messages around them are not")
    func skipped() async throws {
        let mosquitto = try await Mosquitto.started()
        try await mosquitto.withClient("client") { client in
            try await client.subscribe(to: "mixed") { messages in
                var iterator = messages.makeAsyncIterator()
                for round in 0..<20 {
                    let qos = QoS.allCases[round % 3]
                    try await client.publish(Payload(source: Pattern(count: 1 << 20)), to: "mixed", qos)
                    try await client.publish(Payload(number: round), to: "mixed", qos)
                    #expect(try await iterator.next()?.payload.count == 1 << 20)
                    #expect(try await iterator.next()?.payload.number == round)
                }
            }
        }
    }

    @Test("64 MiB in and out as one message", arguments: QoS.allCases)
    func large(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started(Mosquitto.Settings(persistence: false))
        let pattern = Pattern(count: 64 << 20)
        try await mosquitto.withClient("subscriber", clean: true) { subscriber in
            try await subscriber.subscribe(to: "large", atMost: qos) { messages in
                try await mosquitto.withClient("publisher", clean: true) { publisher in
                    let memory = ResidentMemory()
                    let delivery = try await publisher.publish(Payload(source: pattern), to: "large", qos)
                    var iterator = messages.makeAsyncIterator()
                    let message = try #require(try await iterator.next())
                    #expect(message.payload.count == pattern.count)
                    #expect(message.payload.isStreamed)
                    var offset = 0
                    for try await chunk in message.payload.chunks {
                        #expect(pattern.matches(chunk, at: offset))
                        offset += chunk.readableBytes
                        memory.sample()
                    }
                    #expect(offset == pattern.count)
                    _ = try await delivery.completed
                    // Other suites of this process run beside this one; scripts/interop runs it on its own.
                    if ProcessInfo.processInfo.environment["MQTT_INTEROP_MEMORY"] == "1" {
                        print("growth in resident memory at QoS \(qos.rawValue): \(memory.growth >> 10) KiB")
                        #expect(memory.growth < 32 << 20)
                    }
                }
            }
        }
    }

    @Test("A large payload that breaks off is not acknowledged: it comes again, whole", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func brokenOff(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started()
        let pattern = Pattern(count: 16 << 20)
        try await mosquitto.withClient("subscriber") { subscriber in
            try await subscriber.subscribe(to: [Subscription("large", atMost: qos)])
            try await mosquitto.withClient("publisher") { publisher in
                _ = try await publisher.publish(Payload(source: pattern), to: "large", qos).completed
            }
            var states = subscriber.connectionStates.makeAsyncIterator()
            var messages = subscriber.messages.makeAsyncIterator()
            let first = try #require(try await messages.next())
            var chunks = first.payload.chunks.makeAsyncIterator()
            #expect(try await chunks.next() != nil)
            // The client reads no further than it is asked to, so the end of the connection shows behind what is in the network.
            try await mosquitto.restart()
            let error = await #expect(throws: MQTTError.self) { while try await chunks.next() != nil {} }
            #expect(error?.code == .connectionLost)
            _ = try await subscriber.waitForState(&states, where: \.isOffline)
            let second = try #require(try await messages.next())
            var offset = 0
            for try await chunk in second.payload.chunks {
                #expect(pattern.matches(chunk, at: offset))
                offset += chunk.readableBytes
            }
            #expect(offset == pattern.count)
            _ = try await subscriber.publish("after", to: "large", qos)
            #expect(try await messages.next()?.payload.string == "after")
        }
    }
}

/// Bytes that tell where they belong, without being held.
struct Pattern: PayloadSource {
    let count: Int

    /// Coprime to all powers of two, so that a shifted block does not match.
    private static let period = 251

    func read(at offset: Int, count: Int) async throws -> ByteBuffer { bytes(at: offset, count) }

    var all: ByteBuffer { bytes(at: 0, count) }

    func matches(_ chunk: ByteBuffer, at offset: Int) -> Bool { chunk == bytes(at: offset, chunk.readableBytes) }

    private static let block: [UInt8] = (0..<(64 << 10) + period).map { UInt8($0 % period) }

    private func bytes(at offset: Int, _ count: Int) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(count)
        while buffer.readableBytes < count {
            let phase = (offset + buffer.readableBytes) % Self.period
            let length = min(64 << 10, count - buffer.readableBytes)
            buffer.writeBytes(Self.block[phase..<phase + length])
        }
        return buffer
    }
}

/// The growth of this process in memory since a moment.
private final class ResidentMemory: Sendable {
    private let start: Int
    private let peak: Mutex<Int>

    init() {
        start = Self.now
        peak = Mutex(start)
    }

    func sample() {
        let now = Self.now
        peak.withLock { $0 = max($0, now) }
    }

    var growth: Int { peak.withLock { $0 } - start }

    private static var now: Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) << 10
    }
}
