import Foundation
import MQTT
import MQTTFoundation
import NIOCore
import Testing

/// Codable values as payloads.
@Suite struct JSONCodingTests {
    private struct Reading: Codable, Equatable {
        var sensor: String
        var celsius: Double
    }

    private let reading = Reading(sensor: "bedroom", celsius: 20.5)

    @Test func aValueMakesTheRoundTrip() throws {
        let payload = try Payload(reading, encoder: JSONEncoder())
        #expect(payload.string?.contains("\"bedroom\"") == true)
        #expect(try payload.decode(Reading.self, decoder: JSONDecoder()) == reading)
    }

    @Test func whatIsNoSuchValueThrows() {
        #expect(throws: DecodingError.self) { try Payload("{}").decode(Reading.self, decoder: JSONDecoder()) }
        #expect(throws: EncodingError.self) { try Payload(Double.infinity, encoder: JSONEncoder()) }
    }

    @Test func aStreamedPayloadIsCollectedFirst() throws {
        struct Source: PayloadSource {
            let count = 2
            func read(at offset: Int, count: Int) async throws -> ByteBuffer { ByteBuffer(string: "{}") }
        }
        let error = #expect(throws: MQTTError.self) { try Payload(source: Source()).decode(Reading.self, decoder: JSONDecoder()) }
        #expect(error?.code == .invalidArgument)
    }
}
