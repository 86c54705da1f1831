import MQTTCore
import NIOCore
import Testing

@testable import MQTTTransport

/// What is said to proxies, byte by byte, and what becomes of their answers.
@Suite struct ProxyTests {
    private static let domain: [UInt8] = [5, 1, 0, 3, 14] + Array("broker.example".utf8) + [0x07, 0x5B]

    private func proxy(_ url: String) throws -> Proxy { try Proxy(url) }

    /// Everything that the client says to these answers, which come in chunks, until it is done, and what is left for the broker.
    private func talk(
        _ negotiation: some ProxyNegotiation, _ answers: [UInt8], chunk: Int = .max
    ) throws(MQTTError) -> (said: [UInt8], rest: [UInt8])? {
        var negotiation = negotiation
        var said = Array(negotiation.opening.readableBytesView)
        var unread = ByteBuffer()
        var bytes = answers[...]
        while !bytes.isEmpty {
            unread.writeBytes(bytes.prefix(chunk))
            bytes = bytes.dropFirst(chunk)
            reading: while true {
                switch try negotiation.read(&unread) {
                case .wait: break reading
                case .send(let more): said += Array(more.readableBytesView)
                case .done: return (said, Array(unread.readableBytesView) + bytes)
                }
            }
        }
        return nil
    }

    @Test("CONNECT names the broker, and shows the credentials", arguments: [1, 5, .max])
    func tunnel(_ chunk: Int) throws {
        let proxy = try proxy("http://Aladdin:open%20sesame@proxy:8080")
        let answer = Array("HTTP/1.0 200 Connection established\r\nProxy-agent: x\r\n\r\n".utf8) + [0x20, 2, 0, 0]
        let talk = try #require(try talk(HTTPTunnel(proxy, host: "broker.example", port: 1883), answer, chunk: chunk))
        #expect(
            String(decoding: talk.said, as: UTF8.self)
                == "CONNECT broker.example:1883 HTTP/1.1\r\nHost: broker.example:1883\r\n"
                + "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n")
        #expect(talk.rest == [0x20, 2, 0, 0])
        let plain = try #require(try self.talk(HTTPTunnel(Proxy("http://proxy"), host: "::1", port: 1), answer))
        #expect(String(decoding: plain.said, as: UTF8.self) == "CONNECT [::1]:1 HTTP/1.1\r\nHost: [::1]:1\r\n\r\n")
    }

    @Test("Refusals of an HTTP proxy, and answers that are none")
    func tunnelRefused() throws {
        let tunnel = HTTPTunnel(try proxy("http://proxy"), host: "b", port: 1)
        for status in ["407 Proxy Authentication Required", "403 Filtered", "502 Bad Gateway", "302 Found"] {
            let error = #expect(throws: MQTTError.self) { try talk(tunnel, Array("HTTP/1.1 \(status)\r\n\r\n".utf8)) }
            #expect(error?.code == .proxyRefused)
            #expect(error?.message.contains(status) == true)
        }
        let error = #expect(throws: MQTTError.self) { try talk(tunnel, [5, 0]) }
        #expect(error?.code == .proxyFailed)
        #expect(try talk(tunnel, Array("HTTP/1.1 200".utf8)) == nil)
    }

    @Test("SOCKS 5 without authentication, for names and addresses", arguments: [1, 2, .max])
    func socks(_ chunk: Int) throws {
        let proxy = try proxy("socks5://proxy")
        let answers: [UInt8] = [5, 0] + [5, 0, 0, 1, 10, 0, 0, 1, 0, 80] + [0x20]
        var talk = try #require(try talk(SOCKSNegotiation(proxy, host: "broker.example", port: 1883), answers, chunk: chunk))
        #expect(talk.said == [5, 1, 0] + Self.domain)
        #expect(talk.rest == [0x20])
        let other: [UInt8] = [5, 0] + [5, 0, 0, 3, 2, 0x61, 0x62, 0, 80]
        talk = try #require(try self.talk(SOCKSNegotiation(proxy, host: "192.168.0.255", port: 1), other, chunk: chunk))
        #expect(talk.said == [5, 1, 0] + [5, 1, 0, 1, 192, 168, 0, 255, 0, 1])
        let sixth: [UInt8] = [5, 0] + [5, 0, 0, 4] + [UInt8](repeating: 0, count: 18)
        talk = try #require(try self.talk(SOCKSNegotiation(proxy, host: "::1", port: 65_535), sixth, chunk: chunk))
        #expect(talk.said == [5, 1, 0] + [5, 1, 0, 4] + [UInt8](repeating: 0, count: 15) + [1, 255, 255])
    }

    @Test("SOCKS 5 with user name and password, when the proxy asks for them")
    func socksAuthentication() throws {
        let proxy = try proxy("socks5h://me:secret@proxy:1081")
        let negotiation = SOCKSNegotiation(proxy, host: "broker.example", port: 1883)
        let granted: [UInt8] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        let asked = try #require(try talk(negotiation, [5, 2] + [1, 0] + granted))
        #expect(asked.said == [5, 2, 0, 2] + [1, 2] + Array("me".utf8) + [6] + Array("secret".utf8) + Self.domain)
        let trusted = try #require(try talk(negotiation, [5, 0] + granted))
        #expect(trusted.said == [5, 2, 0, 2] + Self.domain)
        let error = #expect(throws: MQTTError.self) { try talk(negotiation, [5, 2, 1, 1]) }
        #expect(error?.code == .proxyRefused)
    }

    @Test("Refusals of a SOCKS proxy, and answers that are none")
    func socksRefused() throws {
        let negotiation = SOCKSNegotiation(try proxy("socks5://proxy"), host: "b", port: 1)
        let rows: [([UInt8], MQTTError.Code)] = [
            ([5, 0xFF], .proxyRefused), ([5, 0, 5, 5], .proxyRefused), ([5, 0, 5, 2], .proxyRefused), ([5, 0, 5, 99], .proxyRefused),
            ([5, 2], .proxyFailed), ([4, 0], .proxyFailed), ([5, 0, 4, 0], .proxyFailed), ([5, 0, 5, 0, 0, 9, 0], .proxyFailed),
            (Array("HTTP/1.1 400".utf8), .proxyFailed),
        ]
        for (answer, code) in rows {
            let error = #expect(throws: MQTTError.self) { try talk(negotiation, answer) }
            #expect(error?.code == code, "\(answer)")
        }
    }

    @Test("URLs and credentials of proxies that cannot be")
    func arguments() throws {
        for url in ["", "proxy:80", "ftp://proxy", "http://proxy/path", "http://proxy:0", "socks4://proxy"] {
            #expect(throws: MQTTError.self) { try Proxy(url) }
        }
        for url in [
            "http://", "http://a%3Ab:c@proxy", "socks5://:x@proxy", "socks5://\(String(repeating: "x", count: 256)):y@proxy",
            "socks5://x@proxy",
        ] {
            #expect(throws: MQTTError.self) { try Layers.proxy(try Proxy(url), host: "b", port: 1) }
        }
        let proxy = try proxy("http://proxy")
        #expect(throws: MQTTError.self) { try Layers.proxy(proxy, host: String(repeating: "x", count: 256), port: 1) }
    }

    @Test("IP addresses in text")
    func addresses() {
        #expect(IPAddress.bytes("127.0.0.1") == [127, 0, 0, 1])
        #expect(IPAddress.bytes("::") == [UInt8](repeating: 0, count: 16))
        #expect(IPAddress.bytes("2001:db8::ff00:42:8329") == [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0x42, 0x83, 0x29])
        #expect(IPAddress.bytes("1:2:3:4:5:6:7:8")?.count == 16)
        #expect(IPAddress.bytes("::ffff:1.2.3.4")?.suffix(6) == [255, 255, 1, 2, 3, 4])
        for text in [
            "", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.+4", "1.2.3.", ":", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7::8", "g::", "::12345", "fe80::1%lo", ":::", "1.2.3.4::",
        ] {
            #expect(IPAddress.bytes(text) == nil, "\(text)")
        }
    }
}
