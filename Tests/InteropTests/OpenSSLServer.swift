// OpenSSL's own server: it does in TLS what a Mosquitto cannot be asked for, and speaks no MQTT.
import Foundation
import MQTT

/// Ends with `stop`.
struct OpenSSLServer {
    /// OpenSSL did not say what it was to say.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let port: Int
    private let process: ChildProcess
    private var output: AsyncStream<[UInt8]>.Iterator
    private var text = ""

    /// - Parameter options: Of `openssl s_server`, beside the certificate of the tests' broker.
    init(_ options: [String]) async throws {
        guard let shell = installedProgram("sh"), installedProgram("openssl") != nil else {
            throw Failure(description: "openssl is not installed")
        }
        let certificates = try await Certificates.shared
        port = try await freeLoopbackPort()
        let (output, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        self.output = output.makeAsyncIterator()
        // At the end of its standard input it would hang up: a pipe that it has open itself has none.
        let script = "mkfifo \"$0\" && exec openssl s_server \"$@\" <>\"$0\""
        let pipe = FileManager.default.temporaryDirectory.appending(path: "mqtt-openssl-\(UUID().uuidString)", directoryHint: .notDirectory)
        let arguments = [
            "-c", script, pipe.path(), "-accept", "127.0.0.1:\(port)", "-cert", certificates.certificate(.server), "-key",
            certificates.key(.server), "-CAfile", certificates.authority,
        ]
        process = try ChildProcess(shell, arguments: arguments + options) { continuation.yield($0) }
        try await waitFor("ACCEPT")
        try FileManager.default.removeItem(at: pipe)
    }

    mutating func waitFor(_ words: String) async throws {
        while !text.contains(words) {
            guard let more = await output.next(isolation: #isolation) else { throw Failure(description: text) }
            text += String(decoding: more, as: UTF8.self)
        }
    }

    func broker(_ options: TLSOptions) -> Broker { .tls(host: "localhost", port: port, options) }

    func stop() async {
        process.signal(9)
        _ = await process.exit.value
    }
}
