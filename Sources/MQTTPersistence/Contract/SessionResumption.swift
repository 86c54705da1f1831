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
        let givenUp = contents.givenUp
        for entry in contents {
            switch entry.key {
            case .client: break
            case .publish(let serial):
                if givenUp.contains(serial) { continue }
                guard let head = StoredPublishHead(entry.head), head.qos != .atMostOnce else {
                    warnings.append(.unsent(entry.key, "another version of this library wrote it"))
                    continue
                }
                // A clock that was set back makes nothing older than it is.
                let (difference, overflow) = wallClock.subtractingReportingOverflow(head.acceptedAt)
                let age = overflow ? 0 : min(max(0, difference), .max / 1_000_000)
                let publish = ResumedPublish(serial, head.qos, bytes: entry.bodyLength, acceptedAt: now + -age * 1_000_000)
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
            if case .publish(let serial) = damage.key { _ = resumeGivenUp(serial, isStored: false) }
        }
        skipUsed(contents)
        return warnings
    }

    /// No number is used twice.
    private mutating func skipUsed(_ contents: StoreContents) {
        func use(_ key: RecordKey?) {
            switch key {
            case .publish(let serial), .received(let serial):
                if serial >= outboundEnd, serial < .max { resumeNumbering(at: serial + 1) }
            case .client, .inbound, nil: break
            }
        }
        for entry in contents { use(entry.key) }
        for damage in contents.damage { use(damage.key) }
        // What cannot be named may have had one of the next numbers.
        if contents.damage.contains(where: { $0.key == nil }) { resumeNumbering(at: outboundEnd + 1_024) }
    }
}

extension StoreChange {
    fileprivate static let givenUpHead: [UInt8] = [1]

    /// The application knows the end of that publish, which may have been sent: what is left is to set its identifier free.
    package static func giveUp(_ serial: Serial) -> StoreChange { .put(.received(serial), head: givenUpHead) }
}

extension StoreContents {
    /// Publishes that are not to be sent again, although their records are there.
    fileprivate var givenUp: Set<Serial> {
        var givenUp: Set<Serial> = []
        // Receptions are behind the publishes, of which there may be millions.
        for entry in reversed() {
            switch entry.key {
            case .client, .publish: return givenUp
            case .received(let serial): if entry.head == StoreChange.givenUpHead { givenUp.insert(serial) }
            case .inbound: break
            }
        }
        return givenUp
    }
}

extension StoreDamage {
    fileprivate static func unsent(_ key: RecordKey, _ reason: String) -> StoreDamage {
        StoreDamage(key, "\(key): \(reason). It stays in the store, and is not sent")
    }
}
