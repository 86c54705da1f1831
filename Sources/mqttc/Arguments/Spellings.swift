/// Every spelling of the options, for what looks at the words before they are parsed: it must not take a value for an option, as in
/// `-m -h`. A test compares it with what the commands declare.
enum Spellings {
    /// Mosquitto's letters and words, with the same meaning, and those of our own.
    static let withValue: Set<String> = [
        "-h", "--host", "-p", "--port", "--unix", "-L", "--url", "-u", "--username", "-P", "--pw", "--password-file", "--password-env",
        "-i", "--id", "-I", "--id-prefix", "-k", "--keepalive", "-V", "--protocol-version", "-x", "--session-expiry-interval",
        "-A", "--bind", "-M", "--max-inflight", "--will-topic", "--will-payload", "--will-qos",
        "--cafile", "--capath", "--cert", "--key", "--key-password-file", "--keyform", "--ciphers", "--tls-version", "--tls-alpn",
        "--tls-engine", "--psk", "--psk-identity", "--proxy",
        "-t", "--topic", "-m", "--message", "-f", "--file", "-q", "--qos", "--repeat", "--repeat-delay", "--outbox",
        "-C", "--count", "-W", "--timeout", "-F", "--format", "-T", "--filter-out", "-U", "--unsubscribe", "--random-filter",
        "--clients", "--size", "--window", "--rate", "--store", "--seconds", "--sort", "--search", "--rows", "--response-topic", "-e",
    ]

    /// Those whose value may be any bytes.
    static let bytes: Set<String> = ["-m", "--message", "--will-payload", "-P", "--pw"]

    /// MQTT 5.0 properties: `-D command identifier value`, and one value more for a user property.
    static let property: Set<String> = ["-D", "--property"]

    /// Where the broker is. One of these on the command line puts those of the defaults file aside.
    static let address: Set<String> = ["-h", "--host", "-p", "--port", "--unix", "-L", "--url"]

    /// What is published. One of these on the command line puts those of the defaults file aside.
    static let message: Set<String> = [
        "-m", "--message", "-f", "--file", "-s", "--stdin-file", "-l", "--stdin-line", "--lines", "-n", "--null-message",
    ]

    /// Of which one leaves no room for another: one on the command line puts those of the defaults file aside.
    static let exclusive: [Set<String>] = [
        message, ["-P", "--pw", "--password-file", "--password-env", "--ask-password"], ["-i", "--id", "-I", "--id-prefix"],
        ["--json", "-F", "--format"], ["-R", "--retained-only"], ["--cafile", "--capath"],
    ]

    /// What makes no sense without TLS.
    static let tls: Set<String> = [
        "--cafile", "--capath", "--cert", "--key", "--key-password-file", "--tls-alpn", "--tls-version", "--tls-use-os-certs",
        "--insecure",
    ]

    /// Those whose value is a URL.
    static let withURL: Set<String> = ["-L", "--url", "--proxy"]

    /// Passwords that anybody can read in the list of processes.
    static let password: Set<String> = ["-P", "--pw"]

    // MARK: Commands

    /// Of all commands that connect.
    static let ofConnection: Set<String> = property.union([
        "-h", "--host", "-p", "--port", "--unix", "-L", "--url", "-u", "--username", "-P", "--pw", "--password-file", "--password-env",
        "--ask-password", "-i", "--id", "-I", "--id-prefix", "-c", "--disable-clean-session", "-k", "--keepalive", "-V",
        "--protocol-version", "-d", "--debug", "--quiet", "--will-topic", "--will-payload", "--will-qos", "--will-retain",
        "--cafile", "--capath", "--cert", "--key", "--key-password-file", "--keyform", "--ciphers", "--tls-use-os-certs", "--tls-alpn",
        "--tls-version", "--tls-engine", "--psk", "--psk-identity", "--proxy", "-A", "--bind", "-x", "--session-expiry-interval",
        "--insecure", "--nodelay",
    ])

    private static let ofBench: Set<String> = ["--clients", "-t", "--topic", "-W", "--timeout", "--store", "--json"]
    private static let ofLoad: Set<String> = [
        "-q", "--qos", "--size", "-C", "--count", "--window", "-M", "--max-inflight", "--rate",
    ]

    /// What each command has besides.
    static let ofCommand: [String: Set<String>] = [
        "pub": message.union([
            "-t", "--topic", "-q", "--qos", "-r", "--retain", "--repeat", "--repeat-delay", "-M", "--max-inflight", "-W", "--timeout",
            "--outbox", "--flush", "--drop-first",
        ]),
        "sub": [
            "-t", "--topic", "-q", "--qos", "-C", "--count", "-W", "--timeout", "-E", "-R", "--retained-only", "--remove-retained", "-T",
            "--filter-out", "-U", "--unsubscribe", "-v", "--verbose", "-F", "--format", "--json", "--pretty", "-N", "--random-filter",
        ],
        "test": ["-W", "--timeout", "--json"],
        "bench pub": ofBench.union(ofLoad),
        "bench sub": ofBench.union(ofLoad).union(["--publish"]),
        "bench rtt": ofBench.union(ofLoad),
        "bench idle": ofBench.union(["--seconds"]),
        "watch": [
            "-t", "--topic", "-q", "--qos", "--sort", "--search", "--expand", "-C", "--count", "-W", "--timeout",
        ],
    ]

    /// Whether a command has an option; of `bench`, whether one of its modes has it.
    static func takes(_ command: String, _ option: String) -> Bool {
        if let own = ofCommand[command] { return own.contains(option) || ofConnection.contains(option) }
        return ofCommand.contains { $0.key.hasPrefix(command + " ") && takes($0.key, option) }
    }

    static func isKnown(_ option: String) -> Bool { ofCommand.keys.contains { takes($0, option) } }

    /// `pub`, `bench` and `bench idle` are commands.
    static func isCommand(_ name: String) -> Bool { ofCommand.keys.contains { $0 == name || $0.hasPrefix(name + " ") } }
}
