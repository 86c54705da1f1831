public import MQTTCore

/// How a connection is encrypted, and how its ends prove who they are.
///
/// All of it is checked when the client is made: a file that cannot be read, or a key that does not fit its certificate, throws then.
/// There is no way to do without verification: for a broker with a certificate of its own making, make that certificate the root.
public struct TLSOptions: Sendable, Hashable {
    /// Who is believed when it vouches for a broker.
    public enum Roots: Sendable, Hashable {
        /// What the operating system trusts.
        case system
        /// Certificates in a PEM file, or in a directory as `openssl rehash` makes it.
        case file(String)
        /// Certificates as PEM text.
        case pem(String)
    }

    /// A version of the protocol.
    public enum Version: Sendable, Hashable {
        case v1_2, v1_3
    }

    public var roots = Roots.system
    /// Shown to brokers that ask for one.
    public var clientCertificate: ClientCertificate?
    /// The name or IP address that the broker's certificate must have. Default: the host that is connected to.
    public var serverName: String?
    /// Whether the broker's certificate must have that name. Without, any certificate of ``roots`` will do: for roots of one's own, or for
    /// ``pins``. With those of the system and no pins it is refused, because everybody who has a certificate could be the broker.
    public var verifiesName = true
    /// The application protocols to offer (ALPN), the preferred one first. Brokers that do not know ALPN ignore them.
    public var applicationProtocols: [String] = []
    public var minimumVersion = Version.v1_2
    /// When there are any, the broker's own certificate must be one of these, beside all other checks.
    public var pins: [Pin] = []
    /// Gets the secrets of each connection, for debugging with tools like Wireshark: who has them can read everything.
    public var keyLog: KeyLog?

    public init() {}
}

extension TLSOptions {
    /// A certificate or key in PEM form.
    public enum PEM: Sendable, Hashable {
        case file(String)
        case text(String)
    }

    /// What a client shows to prove who it is.
    public struct ClientCertificate: Sendable, Hashable {
        /// The certificate, followed by those that lead to the root.
        public var chain: PEM
        public var key: PEM
        /// Opens an encrypted key. ASCII only: swift-nio-ssl takes nothing else.
        public var passphrase: String?

        public init(chain: PEM, key: PEM, passphrase: String? = nil) {
            self.chain = chain
            self.key = key
            self.passphrase = passphrase
        }
    }

    /// The digest of the one certificate, or of the one key, that is accepted.
    public struct Pin: Sendable, Hashable {
        enum Subject: Sendable, Hashable {
            case certificate, publicKey
        }

        let subject: Subject
        let digest: [UInt8]

        /// The SHA-256 fingerprint of a certificate, as of `openssl x509 -fingerprint -sha256`: hexadecimal, with or without colons,
        /// or base64. It changes whenever the certificate is renewed.
        ///
        /// - Throws: ``MQTTError/Code/invalidArgument`` when it is none.
        public static func certificate(_ fingerprint: String) throws(MQTTError) -> Pin {
            Pin(subject: .certificate, digest: try bytes(fingerprint))
        }

        /// The SHA-256 digest of a public key in SubjectPublicKeyInfo form, in base64 as of `curl --pinnedpubkey`, or hexadecimal. It
        /// outlives the certificate when that is renewed with the same key. The `sha256//` in front of it may stay.
        ///
        /// - Throws: ``MQTTError/Code/invalidArgument`` when it is none.
        public static func publicKey(_ digest: String) throws(MQTTError) -> Pin {
            Pin(subject: .publicKey, digest: try bytes(digest.hasPrefix("sha256//") ? String(digest.dropFirst(8)) : digest))
        }

        private static func bytes(_ text: String) throws(MQTTError) -> [UInt8] {
            if let bytes = Base64.decode(text), bytes.count == 32 { return bytes }
            let digits = text.filter { $0 != ":" }.compactMap(\.hexDigitValue)
            guard digits.count == 64, text.filter({ $0 != ":" }).count == 64 else {
                throw .denied("a pin is a SHA-256 digest: 64 hexadecimal digits, or base64")
            }
            return stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
        }
    }

    /// Where the secrets of connections go.
    public struct KeyLog: Sendable, Hashable {
        private final class Identity: Sendable {}

        let write: @Sendable (String) -> Void
        private let identity = Identity()

        /// - Parameter write: Gets lines of the format that Wireshark and others read (`SSLKEYLOGFILE`), each with its line break, on
        ///   the event loop.
        public init(_ write: @escaping @Sendable (String) -> Void) { self.write = write }

        public static func == (lhs: KeyLog, rhs: KeyLog) -> Bool { lhs.identity === rhs.identity }

        public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(identity)) }
    }
}
