/// Every spelling of an option that takes a value, for the pass that looks at the words before they are parsed: it must not take a
/// value for an option, as in `-m -h`. A test compares it with what the commands declare.
enum Spellings {
    /// Mosquitto's letters and words, with the same meaning, and those of our own.
    static let withValue: Set<String> = [
        "-h", "--host", "-p", "--port", "--unix", "-L", "--url", "-u", "--username", "-P", "--pw", "--password-file", "--password-env",
        "-i", "--id", "-I", "--id-prefix", "-k", "--keepalive", "-V", "--protocol-version", "-x", "--session-expiry-interval",
        "-A", "--bind", "-M", "--max-inflight", "--will-topic", "--will-payload", "--will-qos",
        "--cafile", "--capath", "--cert", "--key", "--keyform", "--ciphers", "--tls-version", "--tls-alpn", "--tls-engine", "--psk",
        "--psk-identity", "--proxy",
        "-t", "--topic", "-m", "--message", "-f", "--file", "-q", "--qos", "--repeat", "--repeat-delay", "--outbox",
        "-C", "--count", "-W", "--timeout", "-F", "--format", "-T", "--filter-out", "-U", "--unsubscribe", "--random-filter",
        "--clients", "--size", "--window", "--rate", "--store", "--seconds", "--sort", "--search", "--rows", "--response-topic", "-e",
    ]

    /// MQTT 5.0 properties: `-D command identifier value`, and one value more for a user property.
    static let property: Set<String> = ["-D", "--property"]

    /// Where the broker is. One of these on the command line puts those of the defaults file aside.
    static let address: Set<String> = ["-h", "--host", "-p", "--port", "--unix", "-L", "--url"]

    /// Passwords that anybody can read in the list of processes.
    static let password: Set<String> = ["-P", "--pw"]
}
