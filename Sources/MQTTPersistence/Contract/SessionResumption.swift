package import MQTTCore

/// How a session goes on with what a store holds.
extension Session {
    /// Takes over the contents of a store, before the session starts. Returns what was lost: the store's damage, and records that
    /// cannot be.
    ///
    /// - Parameters:
    ///   - wallClock: Now, in milliseconds since 1970.
    ///   - visit: Told of each publish that goes on, in order.
    package mutating func resume(
        from contents: StoreContents, at now: Instant, wallClock: Int64, visit: (Serial, StoredPublishHead) -> Void = { _, _ in }
    ) -> [StoreDamage] {
        var warnings = contents.damage
        for entry in contents {
            switch entry.key {
            case .client: break
            case .publish(let serial):
                guard let head = StoredPublishHead(entry.head), head.qos != .atMostOnce else {
                    warnings.append(.unsent(entry.key, "another version of this library wrote it"))
                    continue
                }
                // A clock that was set back makes nothing older than it is.
                let age = max(0, wallClock - head.acceptedAt)
                let acceptedAt = now + -min(age, .max / 1_000_000) * 1_000_000
                let publish = ResumedPublish(serial, head.qos, bytes: entry.bodyLength, acceptedAt: acceptedAt)
                guard resume(publish) else {
                    warnings.append(.unsent(entry.key, "its number cannot be one of this session"))
                    continue
                }
                visit(serial, head)
            case .received(let serial):
                // Without its publish, there is still its identifier to be set free at the broker.
                if !resumeReceived(serial) { _ = resumeGivenUp(serial) }
            case .inbound(let packetID): resumeInbound(packetID)
            }
        }
        // A publish that is lost may have been sent at QoS 2.
        for damage in contents.damage {
            if case .publish(let serial) = damage.key { _ = resumeGivenUp(serial) }
        }
        skipUsed(contents)
        return warnings
    }

    /// No number is used twice.
    private mutating func skipUsed(_ contents: StoreContents) {
        var last: Serial?
        func use(_ key: RecordKey?) {
            if case .publish(let serial) = key { last = max(last ?? 0, serial) }
            if case .received(let serial) = key { last = max(last ?? 0, serial) }
        }
        for entry in contents { use(entry.key) }
        for damage in contents.damage { use(damage.key) }
        // What cannot be named may have had one of the next numbers.
        let distance: Serial = contents.damage.contains { $0.key == nil } ? 1_024 : 1
        if let last, last < .max - distance { resumeNumbering(at: last + distance) }
    }
}

extension StoreDamage {
    fileprivate static func unsent(_ key: RecordKey, _ reason: String) -> StoreDamage {
        StoreDamage(key, "\(key): \(reason). It stays in the store, and is not sent")
    }
}
