// Many messages through one broker, from one connection to another.
import Foundation
import MQTT
import Testing

@Suite("Volume through Mosquitto", .mosquittoIsInstalled, .serialized, .timeLimit(.minutes(5)))
struct VolumeTests {
    /// A debug build takes fewer by default; scripts/interop sets the full 100,000.
    static let count = ProcessInfo.processInfo.environment["MQTT_INTEROP_COUNT"].flatMap { Int($0) } ?? 20_000

    @Test("No loss, no duplicate, no reordering", arguments: QoS.allCases)
    func stream(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started(Mosquitto.Settings(persistence: false))
        let count = Self.count
        try await mosquitto.withClient("subscriber", clean: true) { subscriber in
            try await subscriber.subscribe(to: "volume", atMost: qos) { messages in
                try await mosquitto.withClient("publisher", clean: true) { publisher in
                    // The one beyond the count shows that nothing comes after the last.
                    async let published: Void = publisher.publish(numbers: 0..<count + 1, to: "volume", qos)
                    var arrivals = Arrivals()
                    try await messages.receive(upTo: count + 1, into: &arrivals)
                    try await published
                    #expect(arrivals.repeats == 0)
                }
            }
        }
        try await mosquitto.stop()
    }
}
