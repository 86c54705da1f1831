// Certificates of the tests' own, made by OpenSSL when the first test needs them.
import Foundation
import Testing

/// A directory with certificates and keys as PEM files. Another than `shared` is not needed.
struct Certificates {
    /// OpenSSL did not do what it was asked to.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// A certificate and its key.
    enum Name: String, CaseIterable {
        /// For localhost, 127.0.0.1 and ::1.
        case server
        /// Like it, but its time is over.
        case expired
        /// For other.example.
        case otherName = "other-name"
        /// For other.example, 127.0.0.1 and ::1, which is where the broker is.
        case otherNameHere = "other-name-here"
        /// For localhost, vouched for by nobody but itself.
        case selfSigned = "self-signed"
        /// For localhost, by an authority that nobody knows.
        case untrusted
        case client
        /// A client of the other authority.
        case strangeClient = "strange-client"
    }

    static let passphrase = "open sesame"

    private static let made = Task { try await Certificates() }

    /// Made once for the process.
    static var shared: Certificates {
        get async throws { try await made.value }
    }

    private let directory: URL

    private init() async throws {
        directory = FileManager.default.temporaryDirectory.appending(
            path: "mqtt-certificates-\(UUID().uuidString)", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        guard let shell = installedProgram("sh"), installedProgram("openssl") != nil else {
            throw Failure(description: "openssl is not installed: run scripts/test, or apt-get install openssl")
        }
        let script = directory.appending(path: "make.sh")
        try Self.script.write(to: script, atomically: true, encoding: .utf8)
        let output = ChildOutput()
        let process = try ChildProcess(shell, arguments: ["-e", script.path(), directory.path()], output: output.append)
        guard await process.exit.value == 0 else { throw Failure(description: output.text) }
    }

    /// The certificate of the authority that the tests trust.
    var authority: String { path("authority.pem") }

    func certificate(_ name: Name) -> String { path("\(name.rawValue).pem") }
    func key(_ name: Name) -> String { path("\(name.rawValue).key") }
    /// The client's key, encrypted.
    var encryptedKey: String { path("client-encrypted.key") }
    /// As OpenSSL prints them.
    func fingerprint(_ name: Name) throws -> String { try text("\(name.rawValue).fingerprint") }
    func keyDigest(_ name: Name) throws -> String { try text("\(name.rawValue).keydigest") }

    private func path(_ name: String) -> String { directory.appending(path: name, directoryHint: .notDirectory).path() }

    private func text(_ name: String) throws -> String {
        try String(contentsOf: directory.appending(path: name), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static let script = """
        cd "$1"
        curve="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        authority() { # name
            openssl req -x509 $curve -keyout "$1.key" -out "$1.pem" -subj "/CN=$1" -days 2
        }
        issue() { # name authority days extensions
            openssl req -new $curve -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" -addext "$4"
            openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -set_serial "0x$(openssl rand -hex 8)" -days "$3" \\
                -copy_extensions copyall -out "$1.pem"
        }
        here="subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"
        authority authority
        authority other-authority
        issue server authority 2 "$here"
        issue expired authority -1 "$here"
        issue other-name authority 2 "subjectAltName=DNS:other.example"
        issue other-name-here authority 2 "subjectAltName=DNS:other.example,IP:127.0.0.1,IP:::1"
        issue untrusted other-authority 2 "$here"
        openssl req -x509 $curve -keyout self-signed.key -out self-signed.pem -subj "/CN=localhost" -addext "$here" -days 2
        issue client authority 2 "extendedKeyUsage=clientAuth"
        issue strange-client other-authority 2 "extendedKeyUsage=clientAuth"
        openssl pkcs8 -topk8 -in client.key -out client-encrypted.key -passout "pass:\(passphrase)" -v2 aes-256-cbc
        for name in server client; do
            openssl x509 -in $name.pem -noout -fingerprint -sha256 | sed 's/.*=//' > $name.fingerprint
            openssl x509 -in $name.pem -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64 \\
                > $name.keydigest
        done
        """
}
