package import MQTTCore

/// The head of a stored publish: everything but its payload. Format.md has the same for people.
package struct StoredPublishHead: Sendable, Hashable {
    private static let version: UInt8 = 1

    package var topic: String
    package var qos: QoS
    package var retain: Bool
    /// What the application calls it.
    package var correlationKey: String?
    /// In milliseconds since 1970.
    package var acceptedAt: Int64

    package init(topic: String, qos: QoS, retain: Bool, correlationKey: String?, acceptedAt: Int64) {
        self.topic = topic
        self.qos = qos
        self.retain = retain
        self.correlationKey = correlationKey
        self.acceptedAt = acceptedAt
    }

    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(14 + (correlationKey?.utf8.count ?? 0) + topic.utf8.count)
        bytes.append(Self.version)
        bytes.append(qos.rawValue | (retain ? 4 : 0) | (correlationKey == nil ? 0 : 8))
        bytes.append(doubleWord: UInt64(bitPattern: acceptedAt))
        if let correlationKey {
            bytes.append(word: UInt32(correlationKey.utf8.count))
            bytes.append(contentsOf: correlationKey.utf8)
        }
        bytes.append(contentsOf: topic.utf8)
        return bytes
    }

    /// Nil when a library of another version wrote it, or something else did.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count >= 10, bytes[0] == Self.version, bytes[1] & ~0xF == 0, let qos = QoS(rawValue: bytes[1] & 3) else { return nil }
        self.qos = qos
        retain = bytes[1] & 4 != 0
        acceptedAt = Int64(bitPattern: bytes.span.doubleWord(at: 2))
        var rest = bytes[10...]
        if bytes[1] & 8 != 0 {
            guard rest.count >= 4 else { return nil }
            let length = Int(bytes.span.word(at: 10))
            rest = rest.dropFirst(4)
            guard length <= rest.count, let key = String(validating: rest.prefix(length), as: UTF8.self) else { return nil }
            correlationKey = key
            rest = rest.dropFirst(length)
        }
        guard let topic = String(validating: rest, as: UTF8.self) else { return nil }
        self.topic = topic
    }
}
