import ArgumentParser
import MQTT

/// TLS, proxies and the socket, by the names of Mosquitto's commands.
struct TransportArguments: ParsableArguments {
    @Option(
        name: .customLong("cafile"), parsing: .unconditional,
        help: ArgumentHelp("Certificates of those who vouch for the broker, in place of the system's.", valueName: "file"))
    var authorities: String?

    @Option(
        name: .customLong("capath"), parsing: .unconditional,
        help: ArgumentHelp("The same, in a directory as openssl rehash makes it.", valueName: "directory"))
    var authorityPath: String?

    @Flag(name: .customLong("tls-use-os-certs"), help: "Use TLS, and trust what the system trusts. With mqtts:// that goes without saying.")
    var usesSystemAuthorities = false

    @Option(name: .customLong("cert"), parsing: .unconditional, help: ArgumentHelp("The client's certificate.", valueName: "file"))
    var certificate: String?

    @Option(name: .customLong("key"), parsing: .unconditional, help: ArgumentHelp("The key of that certificate.", valueName: "file"))
    var key: String?

    @Option(
        name: .customLong("tls-alpn"), parsing: .unconditional,
        help: ArgumentHelp("The application protocol to offer.", valueName: "protocol"))
    var applicationProtocol: String?

    @Option(name: .customLong("tls-version"), help: ArgumentHelp("The least version: tlsv1.2 or tlsv1.3.", valueName: "version"))
    var leastVersion: String?

    @Option(
        name: .customLong("proxy"), parsing: .unconditional,
        help: ArgumentHelp("socks5://user:password@host:port, or http:// for one that is asked to CONNECT.", valueName: "url"))
    var proxy: String?

    @Option(
        name: [.customShort("A"), .customLong("bind")], parsing: .unconditional,
        help: ArgumentHelp("The IP address to connect from.", valueName: "address"))
    var localAddress: String?

    var asksForTLS: Bool {
        let texts = [authorities, authorityPath, certificate, key, applicationProtocol, leastVersion]
        return usesSystemAuthorities || texts.contains { $0 != nil }
    }

    func validate() throws {
        if authorities != nil, authorityPath != nil { throw ValidationError("--cafile and --capath exclude each other.") }
        if usesSystemAuthorities, authorities != nil || authorityPath != nil {
            throw ValidationError("--tls-use-os-certs excludes --cafile and --capath.")
        }
        if (certificate == nil) != (key == nil) { throw ValidationError("--cert and --key need each other.") }
        if let leastVersion, Self.versions[leastVersion] == nil { throw ValidationError("--tls-version is tlsv1.2 or tlsv1.3.") }
    }

    private static let versions: [String: TLSOptions.Version] = ["tlsv1.2": .v1_2, "tlsv1.3": .v1_3]

    /// - Throws: For a URL that says that there is no TLS, when other options need it.
    func apply(to broker: inout Broker, isURL: Bool) throws(MQTTError) {
        if let proxy { broker.proxy = try Proxy(proxy) }
        broker.socket.bindAddress = localAddress
        guard asksForTLS else { return }
        if isURL, broker.tls == nil {
            throw MQTTError(.invalidArgument, .denied, "options of TLS need a URL that begins with mqtts:// or wss://")
        }
        var options = broker.tls ?? TLSOptions()
        if let path = authorities ?? authorityPath { options.roots = .file(path) }
        if let certificate, let key { options.clientCertificate = .init(chain: .file(certificate), key: .file(key)) }
        if let applicationProtocol { options.applicationProtocols = [applicationProtocol] }
        if let version = leastVersion.flatMap({ Self.versions[$0] }) { options.minimumVersion = version }
        broker.tls = options
    }
}
