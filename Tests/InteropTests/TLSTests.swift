// TLS against Mosquitto: who is let in, who is refused, and in which words.
import Foundation
import MQTT
import MQTTTesting
import Synchronization
import Testing

@Suite("TLS to Mosquitto", .mosquittoIsInstalled, .timeLimit(.minutes(1)))
struct TLSTests {
    @Test("By name and by address: the certificate has to be for it", arguments: ["localhost", "127.0.0.1"])
    func names(_ host: String) async throws {
        let mosquitto = try await Mosquitto.started(.init(listeners: [.init(certificate: .server)]))
        try await exchange(over: .tls(host: host, port: mosquitto.ports[0], .tests))
        var broker = try Broker("mqtts://\(host):\(mosquitto.ports[0])")
        broker.tls?.serverName = "localhost."
        let authority = try await Certificates.shared.authority
        broker.tls?.roots = .pem(try String(contentsOfFile: authority, encoding: .utf8))
        try await exchange(over: broker)
    }

    @Test(
        "A certificate that is not good is refused, and the error says why",
        arguments: [
            (Certificates.Name.expired, MQTTError.Code.certificateExpired), (.otherName, .certificateNameMismatch),
            (.selfSigned, .certificateSelfSigned), (.untrusted, .certificateUntrusted),
        ])
    func refused(_ name: Certificates.Name, _ code: MQTTError.Code) async throws {
        let mosquitto = try await Mosquitto.started(.init(listeners: [.init(certificate: name)]))
        for host in ["localhost", "127.0.0.1"] {
            let error = try await failureToConnect(to: .tls(host: host, port: mosquitto.ports[0], .tests))
            #expect(error.code == code, "\(error)")
            #expect(error.fate == .notSent)
        }
    }

    @Test("A certificate for the broker's address is not one for every name that leads there")
    func addressIsNoName() async throws {
        let mosquitto = try await Mosquitto.started(.init(listeners: [.init(certificate: .otherNameHere)]))
        let port = mosquitto.ports[0]
        var options = try await TLSOptions.tests
        try await exchange(over: .tls(host: "127.0.0.1", port: port, options))
        var error = try await failureToConnect(to: .tls(host: "localhost", port: port, options))
        #expect(error.code == .certificateNameMismatch, "\(error)")
        options.serverName = "another.example"
        error = try await failureToConnect(to: .tls(host: "127.0.0.1", port: port, options))
        #expect(error.code == .certificateNameMismatch, "\(error)")
        options.serverName = "OTHER.example"
        try await exchange(over: .tls(host: "127.0.0.1", port: port, options))
    }

    @Test("The least version of TLS is kept to, and the error says that it is that")
    func minimumVersion() async throws {
        let server = try await OpenSSLServer(["-tls1_2"])
        var options = try await TLSOptions.tests
        options.minimumVersion = .v1_3
        let error = try await failureToConnect(to: server.broker(options))
        #expect(error.code == .tlsFailed, "\(error)")
        #expect(error.message.contains("no version of TLS in common"), "\(error)")
        await server.stop()
    }

    @Test("In TLS 1.2 a broker that wants a certificate does not say so: the error names it as one of two causes")
    func clientRefusedBefore13() async throws {
        let server = try await OpenSSLServer(["-tls1_2", "-Verify", "1"])
        let error = try await failureToConnect(to: server.broker(.tests))
        #expect(error.code == .tlsFailed, "\(error)")
        #expect(error.message.contains("wants a certificate of the client"), "\(error)")
        await server.stop()
    }

    @Test("Application protocols are offered: a server that knows one takes it")
    func applicationProtocols() async throws {
        var server = try await OpenSSLServer(["-alpn", "x-amzn-mqtt-ca"])
        var options = try await TLSOptions.tests
        options.applicationProtocols = ["mqtt", "x-amzn-mqtt-ca"]
        // It speaks no MQTT.
        var configuration = Configuration(broker: server.broker(options), session: .volatile(id: "alpn"))
        configuration.retriesFirstConnect = false
        configuration.pauseTimeout = .milliseconds(500)
        let error = await #expect(throws: MQTTError.self) { try await MQTTClient(configuration).run() }
        #expect(error?.message.hasPrefix("no CONNACK") == true)
        try await server.waitFor("ALPN protocols selected: x-amzn-mqtt-ca")
        await server.stop()
    }

    @Test("The system's roots do not vouch for the tests' authority")
    func systemRoots() async throws {
        let mosquitto = try await Mosquitto.started(.init(listeners: [.init(certificate: .server)]))
        let error = try await failureToConnect(to: .tls(host: "localhost", port: mosquitto.ports[0]))
        #expect(error.code == .certificateUntrusted, "\(error)")
    }

    @Test("Another name may be asked for, and a self-signed certificate may be the root")
    func exceptions() async throws {
        let mosquitto = try await Mosquitto.started(
            .init(listeners: [.init(certificate: .otherName), .init(certificate: .selfSigned)]))
        var options = try await TLSOptions.tests
        options.serverName = "other.example"
        try await exchange(over: .tls(host: "127.0.0.1", port: mosquitto.ports[0], options))
        options.serverName = nil
        options.verifiesName = false
        for host in ["localhost", "127.0.0.1"] { try await exchange(over: .tls(host: host, port: mosquitto.ports[0], options)) }
        let error = try await failureToConnect(to: .tls(host: "localhost", port: mosquitto.ports[1], options))
        #expect(error.code == .certificateSelfSigned, "\(error)")
        options.verifiesName = true
        options.roots = .file(try await Certificates.shared.certificate(.selfSigned))
        try await exchange(over: .tls(host: "localhost", port: mosquitto.ports[1], options))
    }

    @Test("A client certificate opens the door, with a plain key and with an encrypted one")
    func clientCertificates() async throws {
        let certificates = try await Certificates.shared
        let mosquitto = try await Mosquitto.started(.init(listeners: [.init(certificate: .server, asksForCertificate: true)]))
        var options = try await TLSOptions.tests
        options.clientCertificate = .init(chain: .file(certificates.certificate(.client)), key: .file(certificates.key(.client)))
        try await exchange(over: .tls(host: "localhost", port: mosquitto.ports[0], options))
        let encrypted = try String(contentsOfFile: certificates.encryptedKey, encoding: .utf8)
        options.clientCertificate?.key = .text(encrypted)
        options.clientCertificate?.passphrase = Certificates.passphrase
        try await exchange(over: .tls(host: "localhost", port: mosquitto.ports[0], options))
    }

    @Test("Without a client certificate, or with a strange one, the broker refuses, and the error says so")
    func clientRefused() async throws {
        let certificates = try await Certificates.shared
        let mosquitto = try await Mosquitto.started(.init(listeners: [.init(certificate: .server, asksForCertificate: true)]))
        var options = try await TLSOptions.tests
        var error = try await failureToConnect(to: .tls(host: "localhost", port: mosquitto.ports[0], options))
        #expect(error.code == .clientCertificateRefused, "\(error)")
        options.clientCertificate = .init(
            chain: .file(certificates.certificate(.strangeClient)), key: .file(certificates.key(.strangeClient)))
        error = try await failureToConnect(to: .tls(host: "localhost", port: mosquitto.ports[0], options))
        #expect(error.code == .clientCertificateRefused, "\(error)")
    }

    @Test("A pinned certificate or key is the only one that is accepted")
    func pins() async throws {
        let certificates = try await Certificates.shared
        let mosquitto = try await Mosquitto.started(.init(listeners: [.init(certificate: .server)]))
        let right = try [
            TLSOptions.Pin.certificate(certificates.fingerprint(.server)), .publicKey(certificates.keyDigest(.server)),
        ]
        let wrong = try [
            TLSOptions.Pin.certificate(certificates.fingerprint(.client)), .publicKey(certificates.keyDigest(.client)),
            .publicKey(certificates.fingerprint(.server)),
        ]
        var options = try await TLSOptions.tests
        for pin in right {
            options.pins = wrong + [pin]
            try await exchange(over: .tls(host: "localhost", port: mosquitto.ports[0], options))
        }
        options.pins = wrong
        let error = try await failureToConnect(to: .tls(host: "localhost", port: mosquitto.ports[0], options))
        #expect(error.code == .certificateNotPinned, "\(error)")
        // A pin does not make up for the rest.
        options = TLSOptions()
        options.pins = right
        #expect(try await failureToConnect(to: .tls(host: "localhost", port: mosquitto.ports[0], options)).code == .certificateUntrusted)
    }

    @Test("TLS to a broker in plain text, and the reverse, are told at once")
    func mixedUp() async throws {
        let mosquitto = try await Mosquitto.started(.init(listeners: [.init(certificate: .server)]))
        var error = try await failureToConnect(to: .tls(host: "localhost", port: mosquitto.port, .tests))
        #expect(error.code == .tlsFailed, "\(error)")
        #expect(error.message.contains("does the broker expect TLS on this port?"))
        error = try await failureToConnect(to: .tcp(host: "localhost", port: mosquitto.ports[0]))
        #expect(error.code == .protocolViolation || error.code == .down, "\(error)")
        #expect(error.message.contains("the broker expects TLS") || error.message.contains("does the broker expect TLS"), "\(error)")
    }

    @Test("The secrets of a connection go to the key log, and only when it is asked for")
    func keyLog() async throws {
        let mosquitto = try await Mosquitto.started(.init(listeners: [.init(certificate: .server)]))
        var options = try await TLSOptions.tests
        let lines = Mutex([String]())
        options.keyLog = TLSOptions.KeyLog { line in lines.withLock { $0.append(line) } }
        try await exchange(over: .tls(host: "localhost", port: mosquitto.ports[0], options))
        #expect(lines.withLock { $0.contains { $0.hasPrefix("CLIENT_TRAFFIC_SECRET_0 ") && $0.hasSuffix("\n") } })
    }

    @Test("Nothing is lost over restarts of the broker", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func restarts(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started(.init(moreLines: ["log_type all"], listeners: [.init(certificate: .server)]))
        try await mosquitto.expectNothingIsLost(over: .tls(host: "localhost", port: mosquitto.ports[0], .tests), qos)
    }
}
