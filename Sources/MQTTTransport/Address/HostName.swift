package import MQTTCore

/// What may stand for a host: a name, or an IP address, which may have a zone (`fe80::1%eth0`).
package enum HostName {
    /// - Parameter what: Whose host it is, for the words of errors.
    /// - Throws: ``MQTTError/Code/invalidArgument`` for what could end a line, or a part of a URL, where the host is written.
    package static func check(_ host: String, of what: String) throws(MQTTError) {
        guard !host.isEmpty else { throw .denied("the host of \(what) is empty") }
        if host.utf8.contains(UInt8(ascii: ":")) {
            let zone = host.firstIndex(of: "%").map { host[host.index(after: $0)...] }
            guard zone.map(isZone) ?? true, IPAddress.bytes(withoutZone(host)) != nil else {
                throw .denied("the host of \(what) is no IPv6 address")
            }
            return
        }
        let marks = Set("/?#@[]\\%".utf8)
        guard host.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F && !marks.contains($0) }) else {
            throw .denied("the host of \(what) has a character that is in no name")
        }
    }

    private static func isZone(_ text: Substring) -> Bool {
        // RFC 6874 section 2: unreserved characters.
        !text.isEmpty && text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): true
            default: false
            }
        }
    }

    /// The zone of an IPv6 address means something on this machine alone.
    package static func withoutZone(_ host: String) -> String {
        guard host.utf8.contains(UInt8(ascii: ":")), let percent = host.firstIndex(of: "%") else { return host }
        return String(host[..<percent])
    }

    /// Whether a certificate for `pattern` is one for `host` (RFC 9525 section 6.3): the same name, or one of which the first label is any.
    package static func matches(_ host: String, pattern: some Collection<UInt8>) -> Bool {
        let host = Array(host.utf8).map(lowercased)
        let pattern = pattern.map(lowercased)
        if pattern == host { return true }
        guard pattern.starts(with: "*.".utf8), let dot = host.firstIndex(of: UInt8(ascii: ".")), dot > 0 else { return false }
        let rest = host[dot...]
        // Not for all names of a top-level domain.
        return rest.dropFirst().contains(UInt8(ascii: ".")) && rest.elementsEqual(pattern.dropFirst())
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { 0x41...0x5A ~= byte ? byte | 0x20 : byte }
}
