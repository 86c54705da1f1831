// TLS, WebSocket, proxies, several brokers, and credentials that expire.
import MQTT

// snippet.tls
var broker = try Broker("mqtts://broker.example.com")
broker.tls?.roots = .file("/etc/plant/ca.pem")
broker.tls?.clientCertificate = .init(chain: .file("/etc/plant/gateway.pem"), key: .file("/etc/plant/gateway.key"))
// snippet.end

// snippet.websocket
var behindFirewall = try Broker("wss://broker.example.com/mqtt")
behindFirewall.webSocket?.headers = [HTTPField("X-Tenant", "plant")]
behindFirewall.proxy = try Proxy("http://user:password@proxy.example.com:3128")
// snippet.end

// snippet.brokers
var configuration = try Configuration(brokers: [broker, behindFirewall], session: .volatile(id: "gateway-7"))
// snippet.end

// snippet.credentials
configuration.credentialProvider = { broker in
    Credentials(username: "gateway-7", password: try await freshToken(for: broker))
}
configuration.reconnect.reactions[.credentials] = .retryQuickly
configuration.reconnect.reactions[.banned] = .end
// snippet.end

let client = try MQTTClient(configuration)
try await client.run()

func freshToken(for broker: Broker) async throws -> String { "eyJhbGciOi..." }

// snippet.iot
func thing(_ name: String, endpoint: String) -> Configuration {
    var tls = TLSOptions()
    tls.clientCertificate = .init(chain: .file("\(name).pem"), key: .file("\(name).key"))
    var configuration = Configuration(broker: .tls(host: endpoint, port: 443, tls), session: .volatile(id: name))
    configuration.profile = .awsIoTCore
    return configuration
}
// snippet.end
