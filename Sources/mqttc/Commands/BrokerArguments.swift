import ArgumentParser
import MQTT

/// Where the broker is, for the commands that use one.
struct BrokerArguments: ParsableArguments {
    @Argument(help: ArgumentHelp("The broker.", discussion: "mqtt://host:port or mqtt+unix:///path of a socket", valueName: "url"))
    var url = "mqtt://localhost:1883"

    @Option(name: [.customShort("i"), .customLong("id")], help: "The client identifier. Default: one of its own for each run.")
    var clientID: String?

    func configuration() throws(MQTTError) -> Configuration {
        var configuration = Configuration(broker: try Broker(url), session: .volatile(id: clientID ?? Self.freshID(), clean: true))
        configuration.retriesFirstConnect = false
        return configuration
    }

    /// Two runs never share an identifier: the broker would end the first session. 23 characters are allowed everywhere [MQTT-3.1.3-5].
    private static func freshID() -> String {
        let digits = String(UInt64.random(in: .min ... .max), radix: 36)
        return "mqttc" + String(repeating: "0", count: 13 - digits.utf8.count) + digits
    }
}

extension QoS {
    /// The argument of `-q`.
    static func argument(_ text: String) throws -> QoS {
        guard let number = UInt8(text), let qos = QoS(rawValue: number) else { throw ValidationError("The QoS is 0, 1 or 2.") }
        return qos
    }
}
