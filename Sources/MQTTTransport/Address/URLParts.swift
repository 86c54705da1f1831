package import MQTTCore

/// The parts of a URL as brokers and proxies have them, with percent escapes resolved where that is safe.
package struct URLParts {
    /// In lower case.
    package var scheme: String
    package var username: String?
    package var password: String?
    package var host: String
    package var port: Int?
    /// From the first slash behind the authority on, with the query, as it stands.
    package var path: String

    /// - Parameter what: Whose URL it is, for the words of errors.
    /// - Throws: ``MQTTError/Code/invalidArgument`` when it is none.
    package init(_ url: String, of what: String) throws(MQTTError) {
        guard let separator = url.firstRange(of: "://") else { throw .denied("not a URL: \(what) needs a scheme, as in mqtt://host:port") }
        scheme = url[..<separator.lowerBound].lowercased()
        let rest = url[separator.upperBound...]
        guard !rest.utf8.contains(UInt8(ascii: "#")) else { throw .denied("the URL of \(what) has no fragment") }
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        path = String(rest[end...])
        var authority = rest[..<end]
        if let at = authority.lastIndex(of: "@") {
            let user = authority[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            username = try Self.decoded(user[0])
            if user.count > 1 { password = try Self.decoded(user[1]) }
            authority = authority[authority.index(after: at)...]
        }
        (host, port) = ("", nil)
        try setHostAndPort(authority, what)
    }

    private mutating func setHostAndPort(_ text: Substring, _ what: String) throws(MQTTError) {
        var name = text
        var number: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw .denied("an IPv6 address without its closing bracket") }
            name = text[text.index(after: text.startIndex)..<end]
            guard name.utf8.contains(UInt8(ascii: ":")) else { throw .denied("brackets are for IPv6 addresses") }
            let tail = text[text.index(after: end)...]
            guard tail.isEmpty || tail.hasPrefix(":") else { throw .denied("no port behind the IPv6 address") }
            if !tail.isEmpty { number = tail.dropFirst() }
        } else if let colon = text.lastIndex(of: ":") {
            name = text[..<colon]
            number = text[text.index(after: colon)...]
        }
        host = try Self.decoded(name)
        if !host.isEmpty { try HostName.check(host, of: what) }
        guard let number else { return }
        guard number.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let port = Int(number), 1...65_535 ~= port else {
            throw .denied("the port of \(what) is not a number of 1 to 65535")
        }
        self.port = port
    }

    /// Resolves percent escapes.
    package static func decoded(_ text: Substring) throws(MQTTError) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexadecimal), let low = rest.popFirst().flatMap(hexadecimal) else {
                throw .denied("a percent sign without two hexadecimal digits in the URL")
            }
            bytes.append(high << 4 | low)
        }
        guard let string = String(validating: bytes, as: UTF8.self) else { throw .denied("the URL is not UTF-8") }
        return string
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
