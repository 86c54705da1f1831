/// What goes out, and when: in the order of acceptance, as far as the places in flight allow.
extension OutboundFlow {
    mutating func linkLost() {
        cursor = publishes.base
        loadCursor = publishes.base
        inFlight = 0
        exactlyOnceInFlight = 0
    }

    /// The session at the broker goes on: PUBRELs first, in the order of their PUBRECs [MQTT-4.6.0-4]; they take no place in flight.
    /// Those whose PUBREC is still being stored take one: the broker counts them until PUBREL.
    mutating func resume(into effects: inout Effects) {
        linkLost()
        var released: [Serial] = []
        var next = publishes.base
        while let serial = publishes.next(from: next), serial < perhapsSentEnd {
            next = serial + 1
            let publish = publishes[present: serial]
            publishes[present: serial].marks.remove(.counted)
            if publish.state == .received { released.append(serial) }
            if publish.state == .storingReceived {
                publishes[present: serial].marks.insert(.counted)
                count(publish)
            }
        }
        // The count may wrap within the ones at hand, so their distance tells.
        released.sort {
            Int32(bitPattern: publishes[present: $0].receivedOrder &- publishes[present: $1].receivedOrder) < 0
        }
        for serial in released { effects.append(.send(.pubrel(PublishID.of(serial)))) }
    }

    /// The broker has forgotten the session. What it had half done goes out again as a new message: nothing is lost.
    /// Returns what a durable session has to write down: publishes past PUBREC are not received again, and of those that were
    /// given up nothing is left.
    mutating func restart(isDurable: Bool, into effects: inout Effects) -> [StoreRecord] {
        linkLost()
        // What PUBREC came for may be queued again.
        atLeastOnceCursor = publishes.base
        exactlyOnceCursor = publishes.base
        ageCursor = publishes.base
        var records: [StoreRecord] = []
        var givenUp: [Serial] = []
        var affected: [Serial] = []
        var next = publishes.base
        while let serial = publishes.next(from: next), serial < perhapsSentEnd {
            next = serial + 1
            publishes[present: serial].marks.remove(.counted)
            let publish = publishes[present: serial]
            switch publish.state {
            case .received, .storingReceived:
                if publish.marks.contains(.givenUp) {
                    givenUp.append(serial)
                    continue
                }
                publishes[present: serial].state = isDurable ? .storingAgain : .queued
                // The exchange that the identifier belonged to is gone: this is a new one.
                publishes[present: serial].marks.remove(.wasSent)
                records.append(.notReceived(serial))
                affected.append(serial)
            case .sent, .queued:
                // PUBLISH may have arrived, and only the broker's memory would keep the next one from doubling it.
                if publish.qos == .exactlyOnce, publish.marks.contains(.wasSent) { affected.append(serial) }
            case .storing, .storingAgain: break
            }
        }
        for serial in affected { effects.append(.sessionLost(serial)) }
        for serial in givenUp { complete(serial) }
        return records + givenUp.map { .removePublish($0, isLazy: true) }
    }

    /// Sends what is due.
    mutating func pump(_ limits: Limits, into effects: inout Effects) {
        // Nothing is behind what went out: asked for each acknowledgement.
        if cursor == publishes.end { return }
        // An identifier is free again when the publish `PublishID.count` before has left the ring [MQTT-2.3.1-2].
        let end = min(publishes.end, publishes.base + UInt64(PublishID.count))
        scan: while inFlight < limits.inFlight, let serial = publishes.next(from: cursor), serial < end {
            var publish = publishes[present: serial]
            switch publish.state {
            case .storing, .storingAgain: break scan
            case .queued, .sent:
                if publish.qos == .exactlyOnce, exactlyOnceInFlight >= limits.exactlyOnceInFlight { break scan }
                if publish.marks.contains(.absent) { break scan }
                effects.append(.sendPublish(serial, PublishID.of(serial), isDuplicate: publish.marks.contains(.wasSent)))
                publish.state = .sent
                publish.marks.formUnion([.wasSent, .counted])
                publishes[present: serial] = publish
                count(publish)
            case .storingReceived, .received: break
            }
            cursor = serial + 1
            sentEnd = max(sentEnd, cursor)
        }
        loadAhead(into: &effects)
    }

    private mutating func count(_ publish: Publish) {
        inFlight += 1
        if publish.qos == .exactlyOnce { exactlyOnceInFlight += 1 }
    }
}
