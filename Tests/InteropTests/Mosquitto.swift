// Debian's Mosquitto as a broker of a test's own: on a free loopback port, with its files in a temporary directory.
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// A Mosquitto broker that lives as long as its instance: the process is killed, by its id, with the last reference.
///
/// `start` returns when it accepts connections. After `stop` or `kill`, another `start` brings it back on the same port and, with
/// persistence, with the sessions and messages that it saved. It saves only on a clean exit, which is `stop`.
final class Mosquitto: Sendable {
    /// What the test wants of the broker.
    struct Settings: Sendable {
        /// Whether sessions and messages survive `stop`.
        var persistence = true
        /// Without users everybody may connect; with any, only these.
        var passwords: [String: String] = [:]
        /// The content of an `acl_file`; nil lets everybody do everything.
        var accessRules: String?
        /// Also listen on a Unix socket, at `socketPath`.
        var listensOnUnixSocket = false
        /// Also listen on ::1, on the same port.
        var listensOnIPv6 = false
        /// Further lines of `mosquitto.conf`.
        var moreLines: [String] = []
        /// Beside the one in plain text that each broker has. Their ports are in `ports`.
        var listeners: [Listener] = []
    }

    /// Another way in, on a port of its own.
    struct Listener: Sendable {
        /// Over TLS, with this certificate.
        var certificate: Certificates.Name?
        /// Whether clients need a certificate of the tests' authority.
        var asksForCertificate = false
        var isWebSocket = false
    }

    /// Mosquitto did not come up, or is not there.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    static let host = "127.0.0.1"

    let port: Int
    /// Of the further listeners.
    let ports: [Int]
    /// Where configuration, passwords and the saved state are.
    let directory: URL

    private let running = Mutex<ChildProcess?>(nil)
    private let lines: MosquittoLog

    /// Prepares a broker; nothing runs yet.
    init(_ settings: Settings = Settings()) async throws {
        port = try await freeLoopbackPort()
        var ports: [Int] = []
        for _ in settings.listeners { ports.append(try await freeLoopbackPort()) }
        self.ports = ports
        directory = FileManager.default.temporaryDirectory.appending(path: "mosquitto-\(UUID().uuidString)", directoryHint: .isDirectory)
        lines = MosquittoLog()
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try await write(settings)
    }

    deinit {
        running.withLock { $0 }?.signal(SIGKILL)
        try? FileManager.default.removeItem(at: directory)
    }

    /// Where the Unix socket is, if it was asked for.
    var socketPath: String { file("socket").path() }

    /// Everything that Mosquitto has logged so far.
    var log: String { lines.text }

    /// The id of the process, while there is one.
    var processID: Int32? { running.withLock { $0?.id } }

    /// The exit of the process under way, which can be waited for without keeping this instance.
    var exit: Task<Int32, Never>? { running.withLock { $0?.exit } }

    /// Starts the process and returns when it has accepted a connection.
    func start() async throws {
        guard let executable = Self.executable else {
            throw Failure(description: "mosquitto is not installed: run scripts/test, or apt-get install mosquitto")
        }
        let (output, newLines) = lines.attach()
        try running.withLock { running in
            guard running == nil else { throw Failure(description: "mosquitto runs already") }
            running = try ChildProcess(executable, arguments: ["-c", file("mosquitto.conf").path()], output: output)
        }
        var iterator = newLines.makeAsyncIterator()
        while let line = await iterator.next() {
            guard line.hasSuffix(" running") else { continue }
            // A SIGTERM between this line and its main loop would be lost. The main loop is what accepts connections.
            let connection = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).connect(host: Self.host, port: port)
                .get()
            while let line = await iterator.next(), !line.contains("New connection from ") {}
            try await connection.close()
            return
        }
        // The lines ended with the process, or because this task was canceled; then nobody else would end it.
        if Task.isCancelled { running.withLock { $0 }?.signal(SIGKILL) }
        _ = await ended()
        throw Failure(description: "mosquitto did not start:\n\(log)")
    }

    /// Ends it with SIGTERM, so that it saves its state, and returns when the process is gone.
    func stop() async throws {
        try await signal(SIGTERM, expecting: 0)
    }

    /// Ends it with SIGKILL: what it has not saved is lost. Returns when the process is gone.
    func kill() async throws {
        try await signal(SIGKILL, expecting: 128 + SIGKILL)
    }

    /// Stops and starts it again, on the same port and with the state that it saved.
    func restart() async throws {
        try await stop()
        try await start()
    }

    private func signal(_ signal: Int32, expecting expected: Int32) async throws {
        guard let process = running.withLock({ $0 }) else { throw Failure(description: "mosquitto does not run") }
        process.signal(signal)
        let status = await ended()
        guard status == expected else { throw Failure(description: "mosquitto ended with \(status):\n\(log)") }
    }

    private func ended() async -> Int32 {
        let status = await exit?.value ?? 0
        running.withLock { $0 = nil }
        return status
    }
}

// MARK: - The process

extension Mosquitto {
    /// Where Mosquitto is, or nil.
    static let executable = installedProgram("mosquitto")

    private func file(_ name: String) -> URL {
        directory.appending(path: name, directoryHint: .notDirectory)
    }

    private func write(_ settings: Settings) async throws {
        var lines = [
            "listener \(port) \(Self.host)",
            "user root",  // started by root it would become another user, who may not write here; others are not affected
            "allow_anonymous \(settings.passwords.isEmpty)",
            "persistence \(settings.persistence)",
            "persistence_location \(directory.path())",
            "max_queued_messages 0",
            "log_dest stderr",
        ]
        if settings.listensOnUnixSocket { lines.append("listener 0 \(socketPath)") }
        if settings.listensOnIPv6 { lines.append("listener \(port) ::1") }
        if !settings.passwords.isEmpty {
            lines.append("password_file \(try await writePasswords(settings.passwords).path())")
        }
        if let rules = settings.accessRules {
            try rules.write(to: file("acl"), atomically: true, encoding: .utf8)
            lines.append("acl_file \(file("acl").path())")
        }
        lines += settings.moreLines
        for (port, listener) in zip(ports, settings.listeners) { lines += try await configuration(of: listener, port) }
        try lines.joined(separator: "\n").appending("\n").write(to: file("mosquitto.conf"), atomically: true, encoding: .utf8)
    }

    private func configuration(of listener: Listener, _ port: Int) async throws -> [String] {
        var lines = ["listener \(port) \(Self.host)"]
        if listener.isWebSocket { lines.append("protocol websockets") }
        if let name = listener.certificate {
            let certificates = try await Certificates.shared
            lines += [
                "certfile \(certificates.certificate(name))", "keyfile \(certificates.key(name))", "cafile \(certificates.authority)",
                "require_certificate \(listener.asksForCertificate)",
            ]
        }
        return lines
    }

    /// Mosquitto reads only hashed passwords; its own tool hashes a file in place.
    private func writePasswords(_ passwords: [String: String]) async throws -> URL {
        guard let tool = installedProgram("mosquitto_passwd") else { throw Failure(description: "mosquitto_passwd is not installed") }
        let file = file("passwords")
        let text = passwords.map { "\($0):\($1)\n" }.joined()
        try text.write(to: file, atomically: true, encoding: .utf8)
        let status = try await ChildProcess(tool, arguments: ["-U", file.path()], output: { _ in }).exit.value
        guard status == 0 else { throw Failure(description: "mosquitto_passwd refused the passwords") }
        return file
    }
}

// MARK: - Port and condition

private let portsGiven = Mutex(Set<Int>())

/// A loopback port that is free, below the range that the system gives to outgoing connections: while the broker is down, a client
/// that reconnects from that range could be given the broker's own port, connect to itself, and keep the broker from coming back. No port
/// is given twice: tests run side by side.
func freeLoopbackPort() async throws -> Int {
    let bootstrap = ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
    var attempts = 0
    while true {
        do {
            let port = Int.random(in: 15_000..<32_000)
            guard portsGiven.withLock({ $0.insert(port).inserted }) else { continue }
            try await bootstrap.bind(host: Mosquitto.host, port: port).get().close()
            return port
        } catch let error as IOError where error.errnoCode == EADDRINUSE && attempts < 100 {
            attempts += 1
        }
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips with a message where Mosquitto is not installed. With CI=true the test runs, and fails at `start`.
    static var mosquittoIsInstalled: Self {
        .enabled("mosquitto is not installed: run scripts/test, or apt-get install mosquitto") {
            Mosquitto.executable != nil || ProcessInfo.processInfo.environment["CI"] == "true"
        }
    }
}
