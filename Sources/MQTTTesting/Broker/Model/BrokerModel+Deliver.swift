// Messages to clients.

extension BrokerModel {
    /// Keeps what is to be retained and delivers to everyone who subscribed.
    mutating func distribute(_ message: BrokerMessage) {
        if message.retain { topics.retain(message) }
        deliver(message, to: topics.targets(of: message.topic))
    }

    mutating func deliver(_ message: BrokerMessage, to targets: [BrokerTopics.Target]) {
        for target in targets {
            // [MQTT-3.8.4-6] The lower of the two; [MQTT-3.3.1-9] no RETAIN for a subscription that stood.
            let qos = min(message.qos, target.qos)
            deliver(BrokerSession.Queued(message: message, qos: qos, retain: false), to: target.session)
        }
    }

    mutating func deliver(_ queued: BrokerSession.Queued, to session: Int) {
        guard queued.qos > 0 else { return deliverAtMostOnce(queued, to: session) }
        if let slot = sessions[session].slot, sessions[session].queue.isEmpty, mayStart(session), hasRoom(slot) {
            return start(queued, session, slot)
        }
        guard mayQueue(queued.message, session) else {
            losses.droppedByQueueLimit += 1
            return
        }
        sessions[session].queuedBytes += queued.message.payload.count
        sessions[session].queue.append(queued)
        noteCongestion(session)
    }

    /// QoS 0 does not wait for an absent client.
    private mutating func deliverAtMostOnce(_ queued: BrokerSession.Queued, to session: Int) {
        guard let slot = sessions[session].slot else { return }
        if sessions[session].volatileQueue.isEmpty, hasRoom(slot) {
            return send(queued.message, qos: 0, retain: queued.retain, isDuplicate: false, packetID: 0, slot)
        }
        guard mayQueue(queued.message, session) else {
            losses.droppedAtMostOnce += 1
            return
        }
        sessions[session].queuedBytes += queued.message.payload.count
        sessions[session].volatileQueue.append(queued)
        noteCongestion(session)
    }

    private func mayQueue(_ message: BrokerMessage, _ session: Int) -> Bool {
        let count = sessions[session].queue.count + sessions[session].volatileQueue.count
        let bytes = sessions[session].queuedBytes + message.payload.count
        return count < configuration.queueLimit && (count == 0 || bytes <= configuration.queueBytesLimit)
    }

    private func mayStart(_ session: Int) -> Bool {
        sessions[session].unsentInFlight == 0 && sessions[session].inFlight.count < inFlightLimit
    }

    /// Begins an exchange at QoS 1 or 2.
    private mutating func start(_ queued: BrokerSession.Queued, _ session: Int, _ slot: Int) {
        var outbound = BrokerSession.Outbound(
            packetID: sessions[session].nextPacketID(), message: queued.message, qos: queued.qos, retain: queued.retain,
            wait: queued.qos == 1 ? .puback : .pubrec)
        send(
            queued.message, qos: queued.qos, retain: queued.retain, isDuplicate: false, packetID: outbound.packetID, slot)
        outbound.isSent = true
        sessions[session].inFlight.append(outbound)
    }

    /// Sends what can be sent: first again what is in flight from before, then what waits.
    mutating func pump(_ session: Int) {
        guard let slot = sessions[session].slot else { return }
        if sessions[session].unsentInFlight > 0 { resend(session, slot) }
        while mayStart(session), hasRoom(slot), let queued = sessions[session].queue.popFirst() {
            sessions[session].queuedBytes -= queued.message.payload.count
            start(queued, session, slot)
        }
        while hasRoom(slot), let queued = sessions[session].volatileQueue.popFirst() {
            sessions[session].queuedBytes -= queued.message.payload.count
            send(queued.message, qos: 0, retain: queued.retain, isDuplicate: false, packetID: 0, slot)
        }
        noteCongestion(session)
    }

    /// [MQTT-4.4.0-1], in the order of [MQTT-4.6.0-1].
    private mutating func resend(_ session: Int, _ slot: Int) {
        for position in sessions[session].inFlight.positions {
            guard let outbound = sessions[session].inFlight[position], !outbound.isSent else { continue }
            guard hasRoom(slot) else { return }
            sessions[session].inFlight[position]?.isSent = true
            sessions[session].unsentInFlight -= 1
            switch outbound.wait {
            case .puback, .pubrec:
                send(
                    outbound.message, qos: outbound.qos, retain: outbound.retain, isDuplicate: true,
                    packetID: outbound.packetID, slot)
            case .pubcomp: sendPubrel(outbound.packetID, slot)
            }
        }
    }

    mutating func sendPubrel(_ packetID: UInt16, _ slot: Int) {
        mark(slot)
        BrokerEncoder.acknowledgement(0x62, packetID, into: &connections[slot].outgoing)
    }

    private mutating func send(
        _ message: BrokerMessage, qos: UInt8, retain: Bool, isDuplicate: Bool, packetID: UInt16, _ slot: Int
    ) {
        encode(message, qos: qos, retain: retain, isDuplicate: isDuplicate, packetID: packetID, slot)
        guard let period = connections[slot].faults.duplicatesEvery, period > 0 else { return }
        connections[slot].publishes += 1
        if connections[slot].publishes % period == 0 {
            encode(message, qos: qos, retain: retain, isDuplicate: true, packetID: packetID, slot)
            pardonRepetition(qos, packetID, slot)
        }
    }

    func isLarge(_ message: BrokerMessage) -> Bool { message.payload.count > 8192 }

    mutating func encode(
        _ message: BrokerMessage, qos: UInt8, retain: Bool, isDuplicate: Bool, packetID: UInt16, _ slot: Int
    ) {
        mark(slot)
        BrokerEncoder.publishHead(
            message, qos: qos, retain: retain, isDuplicate: isDuplicate, packetID: packetID, into: &connections[slot].outgoing)
        if isLarge(message) {
            flush(slot)
            send(message.payload, slot)
        } else {
            connections[slot].outgoing.append(contentsOf: message.payload)
        }
    }

    /// A PUBLISH that the broker sent twice is rightly acknowledged twice.
    mutating func pardonRepetition(_ qos: UInt8, _ packetID: UInt16, _ slot: Int) {
        guard qos > 0, let session = connections[slot].session else { return }
        if sessions[session].pardons.count >= 1000 { sessions[session].pardons.removeFirst() }
        sessions[session].pardons.append((qos == 1 ? 4 : 5, packetID))
    }

    /// Keeps account of clients whose queue is half full, until it is a quarter full.
    private mutating func noteCongestion(_ session: Int) {
        guard let slot = sessions[session].slot else { return }
        let count = sessions[session].queue.count + sessions[session].volatileQueue.count
        let isHigh = count > configuration.queueLimit / 2 || sessions[session].queuedBytes > configuration.queueBytesLimit / 2
        if isHigh {
            congestedSlots.insert(slot)
        } else if !congestedSlots.isEmpty, count <= configuration.queueLimit / 4,
            sessions[session].queuedBytes <= configuration.queueBytesLimit / 4
        {
            congestedSlots.remove(slot)
        }
    }
}

// MARK: - Acknowledgements from clients

extension BrokerModel {
    mutating func puback(_ packetID: UInt16, _ session: Int, _ slot: Int) throws(Breach) {
        guard let position = sentPosition(packetID, session) else {
            if !sessions[session].pardons(4, packetID) { suspect("MQTT-2.3.1-6", "PUBACK \(packetID) belongs to no PUBLISH", slot) }
            return
        }
        guard case .puback = sessions[session].inFlight[position]?.wait else {
            throw Breach("MQTT-3.3.4-1", "PUBACK \(packetID) for a PUBLISH at QoS 2")
        }
        for earlier in sessions[session].inFlight.positions.prefix(upTo: position) {
            if case .puback = sessions[session].inFlight[earlier]?.wait {
                throw Breach("MQTT-4.6.0-2", "PUBACK \(packetID) before that of an earlier PUBLISH")
            }
        }
        sessions[session].inFlight.remove(at: position)
        pump(session)
    }

    mutating func pubrec(_ packetID: UInt16, _ session: Int, _ slot: Int) throws(Breach) {
        guard let position = sentPosition(packetID, session) else { return repeatPubrel(packetID, session, slot) }
        switch sessions[session].inFlight[position]?.wait {
        case nil, .pubcomp: return repeatPubrel(packetID, session, slot)
        case .puback: throw Breach("MQTT-3.3.4-1", "PUBREC \(packetID) for a PUBLISH at QoS 1")
        case .pubrec: break
        }
        for earlier in sessions[session].inFlight.positions.prefix(upTo: position) {
            if case .pubrec = sessions[session].inFlight[earlier]?.wait {
                throw Breach("MQTT-4.6.0-3", "PUBREC \(packetID) before that of an earlier PUBLISH")
            }
        }
        sessions[session].inFlight[position]?.wait = .pubcomp
        sessions[session].inFlight[position]?.message.payload = []
        sendPubrel(packetID, slot)
    }

    /// PUBREC where none is due. PUBREL lets the client end the exchange.
    private mutating func repeatPubrel(_ packetID: UInt16, _ session: Int, _ slot: Int) {
        if !sessions[session].pardons(5, packetID) { suspect("MQTT-2.3.1-6", "PUBREC \(packetID) belongs to no PUBLISH", slot) }
        sessions[session].pardons.append((7, packetID))
        sendPubrel(packetID, slot)
    }

    mutating func pubcomp(_ packetID: UInt16, _ session: Int, _ slot: Int) throws(Breach) {
        guard let position = sentPosition(packetID, session) else {
            if !sessions[session].pardons(7, packetID) { suspect("MQTT-2.3.1-6", "PUBCOMP \(packetID) belongs to no PUBREL", slot) }
            return
        }
        guard case .pubcomp = sessions[session].inFlight[position]?.wait else {
            throw Breach("MQTT-4.3.3-2", "PUBCOMP \(packetID) before its PUBREL")
        }
        sessions[session].inFlight.remove(at: position)
        pump(session)
    }

    /// Where the exchange is, provided that this connection carried it.
    private func sentPosition(_ packetID: UInt16, _ session: Int) -> Int? {
        guard let position = sessions[session].position(of: packetID), sessions[session].inFlight[position]?.isSent == true else {
            return nil
        }
        return position
    }
}
