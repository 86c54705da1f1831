internal import MQTTCore
internal import NIOCore

/// What a client and a proxy say to each other until the connection is the broker's. It knows no channel.
protocol ProxyNegotiation {
    /// What the client says first.
    var opening: ByteBuffer { get }

    /// Takes what the proxy said. What it leaves in `input` is for later, or, when done, the broker's.
    mutating func read(_ input: inout ByteBuffer) throws(MQTTError) -> ProxyStep
}

enum ProxyStep: Equatable {
    /// The proxy has not said enough.
    case wait
    case send(ByteBuffer)
    case done
}

extension MQTTError {
    static func proxyRefused(_ message: String) -> MQTTError { MQTTError(.proxyRefused, .notSent, message) }
    static func proxyFailed(_ message: String) -> MQTTError { MQTTError(.proxyFailed, .notSent, message) }
}

/// HTTP CONNECT.
struct HTTPTunnel: ProxyNegotiation {
    let opening: ByteBuffer
    private var reader = HTTPResponseReader()

    init(_ proxy: Proxy, host: String, port: Int) {
        let authority = HTTPRequest.authority(host, port)
        var fields = [HTTPField("Host", authority)]
        if let username = proxy.username {
            let credentials = Base64.encode(Array("\(username):\(proxy.password ?? "")".utf8))
            fields.append(HTTPField("Proxy-Authorization", "Basic \(credentials)"))
        }
        opening = HTTPRequest(method: "CONNECT", target: authority, fields: fields).bytes
    }

    mutating func read(_ input: inout ByteBuffer) throws(MQTTError) -> ProxyStep {
        let response: HTTPResponse?
        do throws(HTTPResponseReader.Failure) {
            response = try reader.read(&input)
        } catch {
            throw .proxyFailed("the proxy's answer is not HTTP")
        }
        guard let response else { return .wait }
        guard 200...299 ~= response.status else {
            var error = MQTTError.proxyRefused("the proxy answered with \(response.statusLine)")
            error.httpStatus = response.status
            throw error
        }
        input = reader.rest
        return .done
    }
}

/// SOCKS version 5, with the methods "no authentication" and "user name and password".
struct SOCKSNegotiation: ProxyNegotiation {
    private enum State {
        /// Can transition to: `authenticating`; `requesting`.
        case greeting
        /// Can transition to: `requesting`.
        case authenticating
        case requesting
    }

    private let proxy: Proxy
    private let request: ByteBuffer
    private var state = State.greeting

    /// - Parameter host: A name of at most 255 bytes, or an address.
    init(_ proxy: Proxy, host: String, port: Int) {
        self.proxy = proxy
        var request = ByteBuffer(bytes: [5, 1, 0])
        switch IPAddress.bytes(HostName.withoutZone(host)) {
        case let bytes? where bytes.count == 4: request.writeBytes([1] + bytes)
        case let bytes?: request.writeBytes([4] + bytes)
        case nil: request.writeBytes([3, UInt8(truncatingIfNeeded: host.utf8.count)] + Array(host.utf8))
        }
        request.writeInteger(UInt16(truncatingIfNeeded: port))
        self.request = request
    }

    var opening: ByteBuffer { ByteBuffer(bytes: proxy.username == nil ? [5, 1, 0] : [5, 2, 0, 2]) }

    mutating func read(_ input: inout ByteBuffer) throws(MQTTError) -> ProxyStep {
        switch state {
        case .greeting:
            guard let answer = input.readBytes(length: 2) else { return .wait }
            guard answer[0] == 5 else { throw .proxyFailed("the proxy's answer is not SOCKS 5") }
            return try chosen(answer[1])
        case .authenticating:
            guard let answer = input.readBytes(length: 2) else { return .wait }
            guard answer[1] == 0 else { throw .proxyRefused("the proxy refused user name and password") }
            state = .requesting
            return .send(request)
        case .requesting: return try granted(&input)
        }
    }

    private mutating func chosen(_ method: UInt8) throws(MQTTError) -> ProxyStep {
        switch (method, proxy.username) {
        case (0, _):
            state = .requesting
            return .send(request)
        case (2, let username?):
            state = .authenticating
            let (name, password) = (Array(username.utf8), Array((proxy.password ?? "").utf8))
            return .send(ByteBuffer(bytes: [1, UInt8(name.count)] + name + [UInt8(password.count)] + password))
        case (0xFF, nil): throw .proxyRefused("the proxy asks for a user name and a password")
        case (0xFF, _): throw .proxyRefused("the proxy asks for another proof than user name and password")
        default: throw .proxyFailed("the proxy chose a method that was not offered")
        }
    }

    private func granted(_ input: inout ByteBuffer) throws(MQTTError) -> ProxyStep {
        guard let head = input.getBytes(at: input.readerIndex, length: 2) else { return .wait }
        guard head[0] == 5 else { throw .proxyFailed("the proxy's answer is not SOCKS 5") }
        guard head[1] == 0 else { throw .proxyRefused("the proxy cannot connect to the broker: \(Self.reason(head[1]))") }
        guard let start = input.getBytes(at: input.readerIndex, length: 5) else { return .wait }
        let address: Int
        switch start[3] {
        case 1: address = 4
        case 3: address = 1 + Int(start[4])
        case 4: address = 16
        default: throw .proxyFailed("the proxy's answer has an unknown kind of address")
        }
        let length = 4 + address + 2
        guard input.readableBytes >= length else { return .wait }
        input.moveReaderIndex(forwardBy: length)
        return .done
    }

    private static func reason(_ code: UInt8) -> String {
        switch code {
        case 1: "general failure"
        case 2: "not allowed"
        case 3: "network unreachable"
        case 4: "host unreachable"
        case 5: "connection refused"
        case 6: "its time to live expired"
        case 7: "command not supported"
        case 8: "kind of address not supported"
        default: "code \(code)"
        }
    }
}
