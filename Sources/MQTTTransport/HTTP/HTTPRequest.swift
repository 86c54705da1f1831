internal import MQTTCore
internal import NIOCore

/// A field of an HTTP request that an application adds.
public struct HTTPField: Sendable, Hashable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    /// - Throws: ``MQTTError/Code/invalidArgument`` when it could not be told from its neighbours.
    func check() throws(MQTTError) {
        // RFC 9110 section 5: a name is a token, a value has no line breaks.
        let marks = Set("!#$%&'*+-.^_`|~".utf8)
        let isName = { (byte: UInt8) in
            marks.contains(byte) || (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        }
        guard !name.isEmpty, name.utf8.allSatisfy(isName) else { throw .denied("the name of an HTTP header has a forbidden character") }
        guard value.utf8.allSatisfy({ $0 == 0x09 || $0 >= 0x20 && $0 != 0x7F }) else {
            throw .denied("the value of the HTTP header \(name) has a control character")
        }
    }
}

/// The head of an HTTP/1.1 request. The fields were checked before.
struct HTTPRequest {
    var method: String
    var target: String
    var fields: [HTTPField]

    var bytes: ByteBuffer {
        var text = "\(method) \(target) HTTP/1.1\r\n"
        for field in fields { text += "\(field.name): \(field.value)\r\n" }
        return ByteBuffer(string: text + "\r\n")
    }

    /// The host as a request names it, with the port unless that goes without saying.
    static func authority(_ host: String, _ port: Int, default defaultPort: Int? = nil) -> String {
        let name = host.utf8.contains(UInt8(ascii: ":")) ? "[\(HostName.withoutZone(host))]" : host
        return port == defaultPort ? name : "\(name):\(port)"
    }
}
