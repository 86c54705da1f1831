import ArgumentParser
import MQTT

/// Which broker, and who one is for it: the same options for every command that connects, with Mosquitto's letters.
struct ConnectionArguments: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "The broker.",
            discussion: """
                mqtt://user@host:port/topic, mqtts:// with TLS, ws://host/path, wss://, or mqtt+unix:///path of a socket. \
                (default: mqtt://localhost:1883)
                """,
            valueName: "url"))
    var address: String?

    @Option(name: [.customShort("L"), .customLong("url")], parsing: .unconditional, help: "The broker, as the argument.")
    var url: String?

    @Option(name: .shortAndLong, parsing: .unconditional, help: "The broker's host. (default: localhost)")
    var host: String?

    @Option(name: .shortAndLong, parsing: .unconditional, help: "The broker's port. (default: 1883, with TLS 8883)")
    var port: Int?

    @Option(name: .customLong("unix"), parsing: .unconditional, help: ArgumentHelp("The broker's Unix socket.", valueName: "path"))
    var socketPath: String?

    @Option(name: .shortAndLong, parsing: .unconditional, help: "The user name.")
    var username: String?

    @Option(
        name: [.customShort("P"), .customLong("pw")], parsing: .unconditional,
        help: ArgumentHelp("The password. Other users can see it while the program starts: better not here.", valueName: "password"))
    var password: ArgumentBytes?

    @Option(
        name: .customLong("password-file"), parsing: .unconditional,
        help: ArgumentHelp("The password is the first line of a file.", valueName: "file"))
    var passwordFile: String?

    @Option(
        name: .customLong("password-env"), parsing: .unconditional,
        help: ArgumentHelp("The password is in an environment variable. (default: MQTTC_PASSWORD)", valueName: "name"))
    var passwordVariable: String?

    @Flag(name: .customLong("ask-password"), help: "Ask for the password on the terminal.")
    var asksPassword = false

    @Option(
        name: [.customShort("i"), .customLong("id")], parsing: .unconditional,
        help: ArgumentHelp("The client identifier. (default: one of its own for each run)", valueName: "id"))
    var clientID: String?

    @Option(
        name: [.customShort("I"), .customLong("id-prefix")], parsing: .unconditional,
        help: ArgumentHelp("The client identifier is this and the number of the process.", valueName: "prefix"))
    var clientIDPrefix: String?

    @Flag(
        name: [.customShort("c"), .customLong("disable-clean-session")],
        help: "The broker keeps the session, with its subscriptions, when this ends. It needs -i.")
    var keepsSession = false

    @Option(
        name: [.customShort("k"), .customLong("keepalive")], parsing: .unconditional,
        help: ArgumentHelp("The longest silence, 0 to 65535; 0 is off.", valueName: "seconds"))
    var keepAlive = 60

    @Option(
        name: [.customShort("V"), .customLong("protocol-version")], parsing: .unconditional,
        help: ArgumentHelp("mqttv311, or 311. (default: mqttv311)", discussion: "5.0 is not there yet.", valueName: "version"))
    var version: String?

    @Flag(name: .shortAndLong, help: "Tell on standard error how the connection stands.")
    var debug = false

    @Flag(help: "No messages on standard error.")
    var quiet = false

    @OptionGroup(title: "WILL") var will: WillArguments
    @OptionGroup(title: "TLS AND PROXIES") var security: SecurityArguments
    @OptionGroup(title: "NOT THERE YET") var missing: MissingArguments

    func validate() throws {
        try Bounds.check(keepAlive, in: 0...65_535, "-k", "seconds")
        try Bounds.check(port, in: 1...65_535, "The port")
        if address != nil, url != nil { throw ValidationError("Two URLs, where one is enough.") }
        if address ?? url != nil, host != nil || port != nil || socketPath != nil {
            throw ValidationError("Either a URL or -h, -p and --unix.")
        }
        if socketPath != nil, security.hasTLS { throw ValidationError("TLS is not for Unix sockets.") }
        if socketPath != nil, security.localAddress != nil { throw ValidationError("-A is not for Unix sockets.") }
        if socketPath != nil, host != nil || port != nil { throw ValidationError("Either --unix or -h and -p.") }
        if clientID != nil, clientIDPrefix != nil { throw ValidationError("Either -i or -I.") }
        if keepsSession, clientID?.isEmpty ?? (clientIDPrefix == nil) { throw ValidationError("-c needs -i.") }
        let passwords = [password != nil, passwordFile != nil, passwordVariable != nil, asksPassword]
        if passwords.count(where: { $0 }) > 1 { throw ValidationError("One password is enough.") }
        try checkVersion()
    }

    private func checkVersion() throws {
        switch version?.lowercased() {
        case nil, "311", "mqttv311", "3.1.1": break
        case "5", "mqttv5", "5.0": throw ValidationError("MQTT 5.0 is not there yet.")
        case "31", "mqttv31", "3.1": throw ValidationError("MQTT 3.1 is not spoken here, 3.1.1 is.")
        default: throw ValidationError("-V is mqttv311 or mqttv5.")
        }
    }
}

/// The message that the broker publishes for a client that vanished.
struct WillArguments: ParsableArguments {
    @Option(
        name: .customLong("will-topic"), parsing: .unconditional,
        help: ArgumentHelp("The topic of the message that the broker publishes should this client vanish.", valueName: "topic"))
    var topic: String?

    @Option(
        name: .customLong("will-payload"), parsing: .unconditional, help: ArgumentHelp("Its payload. (default: none)", valueName: "payload")
    )
    var payload: ArgumentBytes?

    @Option(
        name: .customLong("will-qos"), parsing: .unconditional, help: ArgumentHelp("Its QoS. (default: 0)", valueName: "qos"),
        transform: QoS.argument)
    var qos: QoS?

    @Flag(name: .customLong("will-retain"), help: "The broker keeps it for subscribers to come.")
    var retain = false

    func validate() throws {
        guard let topic else {
            if payload != nil || qos != nil || retain { throw ValidationError("A will needs --will-topic.") }
            return
        }
        try TopicName.check(topic)
    }

    var will: Will? { topic.map { Will(payload?.bytes ?? [], to: $0, qos ?? .atMostOnce, retain: retain) } }
}

/// Known options that cannot be honoured: asking for one is an error, never a fallback.
struct MissingArguments: ParsableArguments {
    @Option(
        name: [.customShort("D"), .customLong("property")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("A property of MQTT 5.0: a command, an identifier and a value.", valueName: "words"))
    var properties: [String] = []

    @Option(
        name: [.customShort("x"), .customLong("session-expiry-interval")], parsing: .unconditional,
        help: ArgumentHelp("How long the broker keeps the session, in MQTT 5.0.", valueName: "seconds"))
    var sessionExpiry: String?

    @Option(name: .customLong("ciphers"), parsing: .unconditional, help: .hidden) var ciphers: String?
    @Option(name: .customLong("keyform"), parsing: .unconditional, help: .hidden) var keyForm: String?
    @Option(name: .customLong("tls-engine"), parsing: .unconditional, help: .hidden) var engine: String?
    @Option(name: .customLong("psk"), parsing: .unconditional, help: .hidden) var sharedKey: String?
    @Option(name: .customLong("psk-identity"), parsing: .unconditional, help: .hidden) var sharedKeyIdentity: String?
    @Flag(name: .customLong("nodelay"), help: .hidden) var noDelay = false  // it always is so

    func validate() throws {
        if !properties.isEmpty { throw ValidationError("-D is for MQTT 5.0, which is not there yet.") }
        if sessionExpiry != nil { throw ValidationError("-x is for MQTT 5.0, which is not there yet.") }
        if [ciphers, keyForm, engine, sharedKey, sharedKeyIdentity].contains(where: { $0 != nil }) {
            throw ValidationError("--ciphers, --keyform, --tls-engine and --psk are not there: TLS is that of the library.")
        }
    }
}

extension QoS {
    /// The argument of `-q`.
    static func argument(_ text: String) throws -> QoS {
        guard let number = UInt8(text), let qos = QoS(rawValue: number) else { throw ValidationError("The QoS is 0, 1 or 2.") }
        return qos
    }
}

extension TopicName {
    static func check(_ topic: String) throws {
        do {
            _ = try TopicName(topic)
        } catch {
            throw ValidationError(error.message)
        }
    }

    /// What the standard advises against without forbidding it: control characters and non-characters. Nil when there is none.
    static func advice(_ topic: String) -> String? {
        let discouraged = topic.unicodeScalars.first { scalar in
            switch scalar.value {
            case 0x01...0x1f, 0x7f...0x9f, 0xfdd0...0xfdef: true
            default: scalar.value & 0xfffe == 0xfffe
            }
        }
        guard let discouraged else { return nil }
        let digits = String(discouraged.value, radix: 16, uppercase: true)
        let name = "U+" + String(repeating: "0", count: max(4 - digits.utf8.count, 0)) + digits
        return "the topic has \(name): a broker may end the connection for it [MQTT 3.1.1 section 1.5.3]"
    }
}

extension TopicFilter {
    static func check(_ filter: String) throws {
        do {
            _ = try TopicFilter(filter)
        } catch {
            throw ValidationError(error.message)
        }
    }
}
