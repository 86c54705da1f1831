import MQTT

/// A URL as people give it to Mosquitto's commands, with a topic behind the host: `mqtt://host/topic`.
struct ConnectionURL: Equatable {
    /// Without the topic, for ``Broker``.
    let broker: String
    let topic: String?
    let hasUser: Bool
    let hasPassword: Bool

    private static let schemesWithTopic: Set<String> = ["mqtt", "mqtts", "tcp", "ssl", "tls"]

    init(_ text: String) {
        var (broker, topic): (String, String?) = (text, nil)
        var authority = text[...]
        if let separator = text.firstRange(of: "://") {
            authority = text[separator.upperBound...].prefix { $0 != "/" && $0 != "?" }
            if authority.endIndex < text.endIndex, text[authority.endIndex] == "/",
                Self.schemesWithTopic.contains(text[..<separator.lowerBound].lowercased())
            {
                broker = String(text[..<authority.endIndex])
                topic = String(text[text.index(after: authority.endIndex)...])
            }
        }
        let user = authority.lastIndex(of: "@").map { authority[..<$0] }
        self.broker = broker
        self.topic = topic?.isEmpty == true ? nil : topic
        hasUser = user != nil
        hasPassword = user?.contains(":") == true
    }
}

/// Where a session is kept at this end.
enum SessionPlace: Sendable {
    case memory
    /// On disk, and empty at first.
    case scratch(String)
    /// On disk, with what earlier runs have left there.
    case outbox(HeldStore)
}

/// The one place where URL and options become a configuration.
extension ConnectionArguments {
    private var connectionURL: ConnectionURL? { (address ?? url).map { ConnectionURL($0) } }

    /// The topic of `mqtt://host/topic`.
    var topicOfURL: String? { connectionURL?.topic }

    /// - Parameters:
    ///   - index: Tells the clients apart when one run makes several: 0 for the first.
    ///   - store: Where the session is kept.
    func configuration(client index: Int = 0, store: SessionPlace = .memory) throws(MQTTError) -> Configuration {
        var configuration = Configuration(broker: try broker(), session: try session(index, store))
        configuration.retriesFirstConnect = false
        configuration.keepAlive = .seconds(keepAlive)
        configuration.username = username
        configuration.password = try passwordBytes()
        configuration.will = index == 0 ? will.will : nil
        return configuration
    }

    private func session(_ index: Int, _ place: SessionPlace) throws(MQTTError) -> SessionOptions {
        switch place {
        case .memory: return .volatile(id: identifier(index), clean: !keepsSession)
        case .scratch(let directory):
            let store = try HeldStore(at: index == 0 ? directory : "\(directory)-\(index)")
            return .durable(id: identifier(index, store), in: store, .new, clean: !keepsSession)
        case .outbox(let store): return .durable(id: identifier(index, store), in: store)
        }
    }

    /// The identifier of a store's first run is that of all: the store takes no other, and the broker knows by it what it has got.
    private func identifier(_ index: Int, _ store: HeldStore) -> String {
        clientID == nil && clientIDPrefix == nil ? store.clientID ?? Self.freshID() : identifier(index)
    }

    private func broker() throws(MQTTError) -> Broker {
        var broker: Broker
        if let connectionURL {
            broker = try Broker(connectionURL.broker)
        } else if let socketPath {
            broker = .unix(path: socketPath)
        } else {
            broker = .tcp(host: host ?? "localhost", port: port ?? (security.hasTLS ? 8883 : 1883))
        }
        try security.apply(to: &broker, isURL: connectionURL != nil)
        return broker
    }

    /// How messages name the broker. Without user, password and query, any of which may be secret.
    var brokerName: String {
        if let socketPath { return socketPath }
        guard let connectionURL else { return "\(host ?? "localhost"):\(port ?? (security.hasTLS ? 8883 : 1883))" }
        // What is no URL has been complained of before.
        return (try? Broker(connectionURL.broker))?.description ?? "the broker"
    }

    private func identifier(_ index: Int) -> String {
        let suffix = index == 0 ? "" : "-\(index)"
        if let clientID { return clientID.isEmpty ? Self.freshID() : clientID + suffix }
        if let clientIDPrefix { return clientIDPrefix + String(System.processID) + suffix }
        return Self.freshID()
    }

    /// Two runs never share an identifier: the broker would end the first session. 23 characters are allowed everywhere [MQTT-3.1.3-5].
    static func freshID() -> String {
        let digits = String(UInt64.random(in: .min ... .max), radix: 36)
        return "mqttc" + String(repeating: "0", count: 13 - digits.utf8.count) + digits
    }

    // MARK: Password

    private func passwordBytes() throws(MQTTError) -> [UInt8]? {
        let isUserKnown = username != nil || connectionURL?.hasUser == true
        if let password { return try checked(password.bytes, isUserKnown) }
        if let passwordFile { return try checked(SecretFile.firstLine(of: passwordFile), isUserKnown) }
        if let passwordVariable {
            guard let value = SystemFile.environment(passwordVariable) else {
                throw .denied("the environment has no variable \(passwordVariable)")
            }
            return try checked(Array(value.utf8), isUserKnown)
        }
        if asksPassword {
            guard let answer = AskedPassword.answer else { throw .denied("there is no terminal to ask for the password on") }
            return try checked(answer, isUserKnown)
        }
        guard isUserKnown, connectionURL?.hasPassword != true else { return nil }
        return SystemFile.environment("MQTTC_PASSWORD").map { Array($0.utf8) }
    }

    /// However many clients a run makes, it asks once.
    private enum AskedPassword {
        static let answer = Terminal.askSecret("Password: ")
    }

    private func checked(_ password: [UInt8], _ isUserKnown: Bool) throws(MQTTError) -> [UInt8] {
        guard isUserKnown else { throw .denied("a password needs a user name", "MQTT-3.1.2-22") }
        return password
    }
}
