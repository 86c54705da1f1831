import ArgumentParser
import MQTT

/// Encryption, and what is between here and the broker.
struct SecurityArguments: ParsableArguments {
    @Option(name: .customLong("cafile"), parsing: .unconditional, help: ArgumentHelp("Trusted certificates, PEM.", valueName: "file"))
    var authorities: String?

    @Option(
        name: .customLong("capath"), parsing: .unconditional,
        help: ArgumentHelp("Trusted certificates, as openssl rehash makes it.", valueName: "directory"))
    var authorityPath: String?

    @Option(name: .customLong("cert"), parsing: .unconditional, help: ArgumentHelp("The client's certificate, PEM.", valueName: "file"))
    var certificate: String?

    @Option(name: .customLong("key"), parsing: .unconditional, help: ArgumentHelp("The key of that certificate, PEM.", valueName: "file"))
    var key: String?

    @Option(
        name: .customLong("key-password-file"), parsing: .unconditional,
        help: ArgumentHelp("The password of an encrypted key is the first line of a file. (default: ask for it)", valueName: "file"))
    var keyPasswordFile: String?

    @Flag(name: .customLong("tls-use-os-certs"), help: "TLS, with what the system trusts.")
    var usesSystemAuthorities = false

    @Flag(
        name: .customLong("insecure"),
        help: "Any name in the broker's certificate will do, as long as --cafile or --capath vouches for it.")
    var acceptsAnyName = false

    @Option(
        name: .customLong("tls-alpn"), parsing: .unconditional, help: ArgumentHelp("The application protocol to offer.", valueName: "name"))
    var applicationProtocol: String?

    @Option(name: .customLong("tls-version"), help: ArgumentHelp("The least version: tlsv1.2 or tlsv1.3.", valueName: "version"))
    var version: String?

    @Option(
        name: .customLong("proxy"), parsing: .unconditional,
        help: ArgumentHelp("socks5h://user:password@host:port, or http://host:port.", valueName: "url"))
    var proxy: String?

    @Option(
        name: [.customShort("A"), .customLong("bind")], parsing: .unconditional,
        help: ArgumentHelp("The address to connect from.", valueName: "address"))
    var localAddress: String?

    /// Whether the connection is to be encrypted, whatever the URL says.
    var hasTLS: Bool {
        [authorities, authorityPath, certificate, key, applicationProtocol, version].contains { $0 != nil } || usesSystemAuthorities
    }

    func validate() throws {
        if authorities != nil, authorityPath != nil { throw ValidationError("Either --cafile or --capath.") }
        if acceptsAnyName, authorities == nil, authorityPath == nil {
            throw ValidationError("--insecure needs --cafile or --capath: whatever the name, somebody has to vouch for the broker.")
        }
        if (certificate == nil) != (key == nil) { throw ValidationError("--cert and --key go together.") }
        if keyPasswordFile != nil, key == nil { throw ValidationError("--key-password-file needs --key.") }
        if let version, !["tlsv1.2", "tlsv1.3"].contains(version) { throw ValidationError("--tls-version is tlsv1.2 or tlsv1.3.") }
    }

    /// - Parameter isURL: Then the scheme has said whether there is TLS.
    func apply(to broker: inout Broker, isURL: Bool) throws(MQTTError) {
        if let proxy { broker.proxy = try Proxy(proxy) }
        broker.socket.bindAddress = localAddress
        guard hasTLS else { return }
        guard broker.tls != nil || !isURL else { throw .denied("these options are for TLS: the URL is mqtts:// or wss:// then") }
        var options = broker.tls ?? TLSOptions()
        if let file = authorities ?? authorityPath { options.roots = .file(file) }
        options.verifiesName = !acceptsAnyName
        if let certificate, let key {
            options.clientCertificate = TLSOptions.ClientCertificate(
                chain: .file(certificate), key: .file(key), passphrase: try passphrase(of: key))
        }
        if let applicationProtocol { options.applicationProtocols = [applicationProtocol] }
        if version == "tlsv1.3" { options.minimumVersion = .v1_3 }
        broker.tls = options
    }

    /// Nil when the key needs none.
    private func passphrase(of key: String) throws(MQTTError) -> String? {
        let bytes: [UInt8]
        if let keyPasswordFile {
            bytes = try SecretFile.firstLine(of: keyPasswordFile)
        } else if Self.isEncrypted(key) {
            guard let answer = AskedPassphrase.answer else {
                throw .denied("the key \(key) is encrypted, and there is no terminal to ask for its password on: use --key-password-file")
            }
            bytes = answer
        } else {
            return nil
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .denied("the password of the key is not UTF-8") }
        return text
    }

    /// `BEGIN ENCRYPTED PRIVATE KEY`, or `Proc-Type: 4,ENCRYPTED` of older files. What cannot be read is for the library to complain of.
    private static func isEncrypted(_ path: String) -> Bool {
        guard let bytes = try? SystemFile.contents(of: path, limit: 1 << 20) else { return false }
        return String(decoding: bytes, as: UTF8.self).contains("ENCRYPTED")
    }

    /// However many clients a run makes, it asks once.
    private enum AskedPassphrase {
        static let answer = Terminal.askSecret("Password of the key: ")
    }
}
