// Tests an application against a broker in the same process, on a connection that breaks.
import MQTT
import MQTTTesting

// snippet.broker
var settings = TestBroker.Configuration()
settings.address = .inMemory
// The first connection breaks after 20 bytes from the client.
settings.faults.add(.cutFromClient(afterBytes: 20), on: .connection(1))
let broker = try await TestBroker.start(settings)

var configuration = Configuration(broker: .tcp(host: "in-memory"), session: .volatile(id: "tested"))
configuration.dialer = broker.dialer

try await MQTTClient(configuration).run { client in
    _ = try await client.publish("1", to: "a", .exactlyOnce).completed
}
let seen = try await broker.snapshot
precondition(seen.received.map(\.topic) == ["a"], "the message arrived once")
precondition(seen.connectionCount == 2, "over the second connection")
precondition(seen.violations.isEmpty, "the client kept to the standard")
try await broker.stop()
// snippet.end
