import Dispatch
import MQTTCore
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MQTTTransport

/// Where a name leads: its addresses, in which order they are tried, and that one that is looked up for long holds up nobody else.
@Suite(.timeLimit(.minutes(1))) struct AddressTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    private static func address(_ text: String, _ port: Int = 0) throws -> SocketAddress { try SocketAddress(ipAddress: text, port: port) }

    /// The address that it comes to.
    private func dial(
        _ dialer: TCPDialer, timeout: TimeAmount = .seconds(10), on eventLoop: (any EventLoop)? = nil
    ) async throws -> String? {
        let eventLoop = eventLoop ?? group.next()
        let channel = try await dialer.dial(on: eventLoop, timeout: timeout) { $0.eventLoop.makeSucceededVoidFuture() }.get()
        let address = channel.remoteAddress?.ipAddress
        try await channel.close()
        return address
    }

    // MARK: The order

    @Test("The versions take turns, beginning with that of the first, and those that were of no use come last")
    func turns() throws {
        let texts = ["::1", "::2", "::3", "127.0.0.1", "127.0.0.2"]
        let addresses = try texts.map { try Self.address($0) }
        func order(_ rotation: Int) -> [String] {
            AddressResolver.inTurns(addresses, rotation: rotation).map { $0.ipAddress ?? "" }
        }
        #expect(order(0) == ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"])
        #expect(order(1) == ["127.0.0.1", "::2", "127.0.0.2", "::3", "::1"])
        #expect(order(7) == ["::2", "127.0.0.2", "::3", "::1", "127.0.0.1"])
        #expect(AddressResolver.inTurns([], rotation: 3).isEmpty)
    }

    @Test("A name with several addresses: the next one is tried when one does not answer, and after failures another one first")
    func severalAddresses() async throws {
        #if os(Linux)  // all of 127.0.0.0/8 is there
            let server = try await ServerBootstrap(group: group).bind(host: "0.0.0.0", port: 0).get()
            let port = try #require(server.localAddress?.port)
            // Nobody listens at the first.
            let lookups = NameLookups { _ in try ["::1", "127.0.0.2", "127.0.0.3"].map { try Self.address($0) } }
            let dialer = TCPDialer(host: "broker.example", port: port).lookingUp(by: lookups)
            #expect(try await dial(dialer) == "127.0.0.2")
            #expect(try await dial(dialer.rotated(by: 1)) == "127.0.0.2")
            #expect(try await dial(dialer.rotated(by: 2)) == "127.0.0.3")
            var options = SocketOptions()
            options.bindAddress = "127.0.0.9"
            let bound = TCPDialer(host: "broker.example", port: port, options: options).lookingUp(by: lookups)
            #expect(try await dial(bound.rotated(by: 1)) == "127.0.0.3")
            try await server.close()
        #endif
    }

    // MARK: Looking up

    @Test("While one name is looked up, addresses and other names on the same event loop are not held up")
    func slowNames() async throws {
        let eventLoop = group.next()
        let server = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        let nameServer = DispatchSemaphore(value: 0)
        let lookups = NameLookups { host in
            if host == "slow.example" { nameServer.wait() }
            return [try Self.address("127.0.0.1")]
        }
        func dialer(_ host: String) -> TCPDialer { TCPDialer(host: host, port: port).lookingUp(by: lookups) }
        let slow = Task { try await dial(dialer("slow.example"), on: eventLoop) }
        let error = await #expect(throws: MQTTError.self) {
            try await dial(dialer("slow.example"), timeout: .milliseconds(50), on: eventLoop)
        }
        #expect(error?.code == .timeout)
        #expect(error?.message == "no answer to the question for the address of slow.example within connectTimeout")
        #expect(try await dial(dialer("127.0.0.1"), on: eventLoop) == "127.0.0.1")
        #expect(try await dial(dialer("quick.example"), on: eventLoop) == "127.0.0.1")
        nameServer.signal()
        #expect(try await slow.value == "127.0.0.1")
        try await server.close()
    }

    @Test("Who asks for a name that is being looked up shares the answer")
    func shared() async throws {
        let count = Mutex(0)
        let nameServer = DispatchSemaphore(value: 0)
        let lookups = NameLookups { _ in
            count.withLock { $0 += 1 }
            nameServer.wait()
            return [try Self.address("127.0.0.1")]
        }
        let eventLoop = group.next()
        let answers = (0..<20).map { _ in lookups.addresses(of: "broker.example", on: eventLoop).1 }
        nameServer.signal()
        for answer in answers { #expect(try await answer.get() == [try Self.address("127.0.0.1")]) }
        #expect(count.withLock { $0 } == 1)
        // And once more, when that is over.
        nameServer.signal()
        _ = try await lookups.addresses(of: "broker.example", on: eventLoop).1.get()
        #expect(count.withLock { $0 } == 2)
    }

    @Test("The operating system's answers: a name of this machine, and one that cannot be")
    func system() throws {
        #expect(try NameLookup.addresses(of: "localhost").contains { ["127.0.0.1", "::1"].contains($0.ipAddress) })
        #expect(throws: NameLookup.Failure.self) { try NameLookup.addresses(of: "a..b") }
    }

    // MARK: Names

    @Test("A host is a name or an address: nothing that ends a line, or begins another part of a URL")
    func hosts() {
        func isHost(_ host: String) -> Bool { (try? HostName.check(host, of: "a test")) != nil }
        for host in ["broker", "broker.example.", "xn--bcher-kva.example", "bücher.example", "_mqtt", "127.0.0.1", "::1", "fe80::1%eth0"] {
            #expect(isHost(host), "\(host)")
        }
        for host in [
            "", "a b", "a\r\nX: y", "a\0", "a\u{7F}", "a/b", "a?b", "a#b", "user@a", "[::1]", "a\\b", "a:1", ":", "fe80::1%",
            "fe80::1%a\r\nb", "a%0d", "::1:", "1:2:3:4:5:6:7:8:9",
        ] { #expect(!isHost(host), "\(host.debugDescription)") }
        #expect(HostName.withoutZone("fe80::1%eth0") == "fe80::1")
        #expect(HostName.withoutZone("broker%x") == "broker%x")
    }

    @Test("What is in a URL is checked when it is decoded")
    func urls() throws {
        func host(_ url: String) -> String? { try? URLParts(url, of: "a test").host }
        #expect(host("mqtt://[fe80::1%25lo]:1") == "fe80::1%lo")
        #expect(host("mqtt://b%72oker") == "broker")
        for url in [
            "mqtt://a%0d%0aX:%20y:1", "mqtt://::1", "mqtt://[localhost]", "mqtt://[fe80::1%lo]", "mqtt://a:+1", "mqtt://a:1x",
            "mqtt://a%2fb",
        ] { #expect(host(url) == nil, "\(url)") }
    }

    @Test("Numbers with leading zeros are no addresses: some take them for octal ones")
    func octal() {
        #expect(IPAddress.bytes("127.0.0.1") == [127, 0, 0, 1])
        for text in ["127.0.0.01", "0177.0.0.1", "127.1", "127.0.0.1.", "127.0.0.256", ""] { #expect(IPAddress.bytes(text) == nil) }
    }

    @Test("Certificates for a name, or for all names next to it")
    func patterns() {
        func matches(_ host: String, _ pattern: String) -> Bool { HostName.matches(host, pattern: Array(pattern.utf8)) }
        for (host, pattern) in [("a.example", "a.example"), ("A.example", "a.EXAMPLE"), ("a.b.example", "*.b.example")] {
            #expect(matches(host, pattern))
        }
        for (host, pattern) in [
            ("a.example", "b.example"), ("a.example", "*.example"), ("a.b.c.example", "*.c.example"), ("b.example", "*.b.example"),
            (".b.example", "*.b.example"), ("a.b.example", "a*.b.example"), ("a.b.example", "*"), ("a.b.example", "a.*.example"),
            ("a.example", "a.example\0.evil"), ("a.example", ""),
        ] { #expect(!matches(host, pattern), "\(host) \(pattern)") }
    }

    // MARK: Text of others

    @Test("What the other end says drives no terminal, and is not endless")
    func foreignText() {
        #expect(ForeignText.safe("Not \u{1b}[31mallowed\u{7}\u{9b}") == "Not \u{FFFD}[31mallowed\u{FFFD}\u{FFFD}")
        #expect(ForeignText.safe(String(repeating: "x", count: 1_000)).count == 200)
    }

    @Test("Interim answers ahead of the one that counts are passed over, but not without end")
    func interim() throws {
        var reader = HTTPResponseReader()
        let hint = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        var bytes = ByteBuffer(string: hint + "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nrest")
        #expect(try reader.read(&bytes)?.status == 200)
        #expect(String(buffer: reader.rest) == "rest")
        var endless = HTTPResponseReader()
        var hints = ByteBuffer(string: String(repeating: hint, count: 20))
        #expect(throws: HTTPResponseReader.Failure.self) { try endless.read(&hints) }
        var upgraded = HTTPResponseReader()
        var upgrade = ByteBuffer(string: "HTTP/1.1 101 Switching Protocols\r\n\r\n")
        #expect(try upgraded.read(&upgrade)?.status == 101)
    }
}
