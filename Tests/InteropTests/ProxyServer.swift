// A proxy of a test's own, on a free loopback port.
import Foundation
import MQTT
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// A proxy process that lives as long as its instance: it is killed, by its id, with the last reference.
final class ProxyServer: Sendable {
    enum Kind: String, CaseIterable {
        case http = "tinyproxy"
        case socks5 = "microsocks"
    }

    /// It did not come up.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// How clients reach it.
    let proxy: Proxy
    private let program: String
    private let arguments: [String]
    private let directory: URL
    private let port: Int
    private let running = Mutex<ChildProcess?>(nil)

    /// Returns when it accepts connections.
    init(_ kind: Kind, asksForPassword: Bool) async throws {
        guard let program = installedProgram(kind.rawValue) else {
            throw Failure(description: "\(kind.rawValue) is not installed: run scripts/test, or apt-get install \(kind.rawValue)")
        }
        self.program = program
        port = try await freeLoopbackPort()
        directory = FileManager.default.temporaryDirectory.appending(path: "proxy-\(UUID().uuidString)", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        var proxy: Proxy
        switch kind {
        case .http:
            proxy = .http(host: "127.0.0.1", port: port)
            let file = directory.appending(path: "tinyproxy.conf", directoryHint: .notDirectory)
            let lines = ["Port \(port)", "Listen 127.0.0.1", "Timeout 600", asksForPassword ? "BasicAuth me secret" : ""]
            try lines.joined(separator: "\n").appending("\n").write(to: file, atomically: true, encoding: .utf8)
            arguments = ["-d", "-c", file.path()]
        case .socks5:
            proxy = .socks5(host: "127.0.0.1", port: port)
            arguments = ["-i", "127.0.0.1", "-p", "\(port)"] + (asksForPassword ? ["-u", "me", "-P", "secret"] : [])
        }
        if asksForPassword {
            proxy.username = "me"
            proxy.password = "secret"
        }
        self.proxy = proxy
        try await start()
    }

    deinit {
        running.withLock { $0 }?.signal(SIGKILL)
        try? FileManager.default.removeItem(at: directory)
    }

    private func start() async throws {
        let output = ChildOutput()
        let process = try ChildProcess(program, arguments: arguments, output: output.append)
        running.withLock { $0 = process }
        // Neither program says when it listens: the connections tell. The process may not have come so far yet.
        let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(20)
        while clock.now < deadline {
            if let connection = try? await bootstrap.connect(host: "127.0.0.1", port: port).get() {
                return try await connection.close()
            }
            await Task.yield()
        }
        process.signal(SIGKILL)
        throw Failure(description: "\(program) did not start: \(output.text)")
    }

    /// Cuts all connections that go through it.
    func restart() async throws {
        let process = running.withLock { $0 }
        process?.signal(SIGKILL)
        _ = await process?.exit.value
        try await start()
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips with a message where a proxy is not installed. With CI=true the test runs, and fails.
    static var proxiesAreInstalled: Self {
        .enabled("tinyproxy or microsocks is not installed: run scripts/test, or apt-get install tinyproxy microsocks") {
            ProxyServer.Kind.allCases.allSatisfy { installedProgram($0.rawValue) != nil }
                || ProcessInfo.processInfo.environment["CI"] == "true"
        }
    }
}
