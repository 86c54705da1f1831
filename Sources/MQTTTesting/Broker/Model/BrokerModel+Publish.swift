// Messages from clients.

extension BrokerModel {
    /// A PUBLISH whose topic has become the connection's.
    mutating func publish(_ head: BrokerPublishHead, _ payload: [UInt8], _ slot: Int) throws(Breach) {
        guard let session = connections[slot].session else { return }
        switch head.qos {
        case 0: break
        case 1:
            try judgeIdentifier(head, session)
            try judgeDuplicate(head, payload, session, slot)
            // [MQTT-4.3.2-2]
            acknowledge(BrokerAcknowledgement(first: 0x40, packetID: head.packetID), session, slot)
        default:
            if let position = sessions[session].inboundPosition(of: head.packetID) {
                return try repeatPubrec(head, payload, position, session, slot)
            }
            try judgeIdentifier(head, session)
            try judgeReturn(head, payload, session, slot)
            try judgeDuplicate(head, payload, session, slot)
            sessions[session].released.remove(head.packetID)
            sessions[session].inbound.append(
                BrokerSession.Inbound(
                    packetID: head.packetID, topic: connections[slot].topic, payload: payload,
                    connection: sessions[session].connections))
            acknowledge(BrokerAcknowledgement(first: 0x50, packetID: head.packetID), session, slot)
        }
        own(head, payload, session, slot)
    }

    /// From here on the message is the broker's. QoS 2 goes on to its subscribers at once too: method B of figure 4.3.
    private mutating func own(_ head: BrokerPublishHead, _ payload: [UInt8], _ session: Int, _ slot: Int) {
        if configuration.reportsPublishes {
            report(
                ReceivedPublish(
                    clientID: String(decoding: sessions[session].clientID, as: UTF8.self), topicBytes: connections[slot].topic,
                    payload: payload, qos: head.qos, retain: head.retain, isDuplicate: head.isDuplicate, packetID: head.packetID))
        }
        let message = BrokerMessage(topic: connections[slot].topic, payload: payload, qos: head.qos, retain: head.retain)
        if message.retain { topics.retain(message) }
        if connections[slot].targetsGeneration != topics.generation {
            connections[slot].targets = topics.targets(of: message.topic)
            connections[slot].targetsGeneration = topics.generation
        }
        deliver(message, to: connections[slot].targets)
    }

    /// A PUBLISH for an exchange that waits for PUBREL [MQTT-4.3.3-2].
    private mutating func repeatPubrec(
        _ head: BrokerPublishHead, _ payload: [UInt8], _ position: Int, _ session: Int, _ slot: Int
    ) throws(Breach) {
        guard let known = sessions[session].inbound[position] else { return }
        let connection = sessions[session].connections
        guard known.topic == connections[slot].topic, known.payload == payload else {
            throw Breach("MQTT-2.3.1-2", "PUBLISH takes identifier \(head.packetID) of an unfinished exchange")
        }
        guard head.isDuplicate else {
            throw Breach("MQTT-3.3.1-1", "PUBLISH \(head.packetID) comes again without DUP")
        }
        if known.connection == connection {
            suspect("MQTT-4.4.0-1", "PUBLISH \(head.packetID) comes again on the same connection", slot)
        }
        sessions[session].inbound[position]?.connection = connection
        try judgeDuplicate(head, payload, session, slot)
        acknowledge(BrokerAcknowledgement(first: 0x50, packetID: head.packetID), session, slot)
    }

    /// [MQTT-2.3.1-2], [MQTT-2.3.1-3]: an identifier is free only after the final acknowledgement.
    private func judgeIdentifier(_ head: BrokerPublishHead, _ session: Int) throws(Breach) {
        let isOpenAsQoS1 = sessions[session].withheldPubacks.contains(head.packetID) && !(head.qos == 1 && head.isDuplicate)
        if isOpenAsQoS1 || sessions[session].withheldPubcomps.contains(head.packetID)
            || sessions[session].inboundPosition(of: head.packetID) != nil
        {
            throw Breach("MQTT-2.3.1-2", "PUBLISH takes identifier \(head.packetID) of an unfinished exchange")
        }
    }

    /// [MQTT-4.3.3-1] No PUBLISH again after its PUBREL.
    private mutating func judgeReturn(_ head: BrokerPublishHead, _ payload: [UInt8], _ session: Int, _ slot: Int) throws(Breach) {
        guard head.isDuplicate, sessions[session].released.contains(head.packetID) else { return }
        let last = sessions[session].lastReleased
        for position in last.positions {
            guard let exchange = last[position], exchange.packetID == head.packetID else { continue }
            guard exchange.topic == connections[slot].topic, exchange.payload == payload else { continue }
            let detail = "PUBLISH \(head.packetID) comes again after its PUBREL"
            guard configuration.payloadsAreUnique else { return suspect("MQTT-4.3.3-1", detail, slot) }
            throw Breach("MQTT-4.3.3-1", detail)
        }
    }

    /// The rules about DUP and the order of what comes again.
    private mutating func judgeDuplicate(_ head: BrokerPublishHead, _ payload: [UInt8], _ session: Int, _ slot: Int) throws(Breach) {
        let arrival = BrokerArrivals.Arrival(
            packetID: head.packetID, qos: head.qos, content: BrokerArrivals.fingerprint(connections[slot].topic, payload))
        guard head.isDuplicate else { return sessions[session].arrivals.append(arrival) }
        let detail = "PUBLISH \(head.packetID) comes again after one that followed it"
        switch sessions[session].arrivals.resend(arrival) {
        case nil:
            if sessions[session].isFirstContact, sessions[session].connections == 1 {
                let (statement, detail) = (head.qos == 1 ? "MQTT-4.3.2-1" : "MQTT-4.3.3-1", "DUP on the first PUBLISH \(head.packetID)")
                if configuration.sessionsAreVolatile { throw Breach(statement, detail) }
                suspect(statement, detail, slot)
            }
            // It was lost on its way before.
            sessions[session].arrivals.append(arrival)
        case .kept: break
        case .brokenWithinQoS:
            // The identifier may have been taken again for an equal message whose first PUBLISH was lost.
            // Nor does a process know what an earlier one has seen acknowledged, when its removal was lost with the power.
            let isCertain = configuration.payloadsAreUnique && configuration.sessionsAreVolatile
            guard isCertain else { return suspect("MQTT-4.6.0-1", detail, slot) }
            throw Breach("MQTT-4.6.0-1", detail)
        case .brokenAcrossQoS: suspect("MQTT-4.6.0-1", detail + ", at another QoS", slot)
        }
    }

    /// PUBREL: the client has seen PUBREC.
    mutating func pubrel(_ packetID: UInt16, _ session: Int, _ slot: Int) throws(Breach) {
        if let first = connections[slot].pubrecs.first {
            if first == packetID {
                _ = connections[slot].pubrecs.popFirst()
            } else if let position = pubrecPosition(packetID, slot) {
                // [MQTT-4.6.0-4] Only what this connection's PUBRECs ask for has an order here.
                guard sessions[session].inboundPosition(of: first) == nil else {
                    throw Breach("MQTT-4.6.0-4", "PUBREL \(packetID) before PUBREL \(first)")
                }
                connections[slot].pubrecs.remove(at: position)
            }
        }
        if let position = sessions[session].inboundPosition(of: packetID), let ended = sessions[session].inbound.remove(at: position) {
            sessions[session].released.insert(packetID)
            sessions[session].lastReleased.append(ended)
            if sessions[session].lastReleased.count > 64 { _ = sessions[session].lastReleased.popFirst() }
        } else if !sessions[session].released.contains(packetID) {
            suspect("MQTT-2.3.1-6", "PUBREL \(packetID) belongs to no PUBLISH", slot)
        }
        // An unknown identifier is answered too: PUBCOMP of the first PUBREL may have been lost.
        acknowledge(BrokerAcknowledgement(first: 0x70, packetID: packetID), session, slot)
    }

    private func pubrecPosition(_ packetID: UInt16, _ slot: Int) -> Int? {
        let pubrecs = connections[slot].pubrecs
        for position in pubrecs.positions where pubrecs[position] == packetID { return position }
        return nil
    }

    /// Sends an acknowledgement, unless a fault swallows it or holds it back.
    mutating func acknowledge(_ acknowledgement: BrokerAcknowledgement, _ session: Int, _ slot: Int) {
        if connections[slot].faults.swallowedAcknowledgements > 0 {
            connections[slot].faults.swallowedAcknowledgements -= 1
            switch acknowledgement.first {
            case 0x40: sessions[session].withheldPubacks.insert(acknowledgement.packetID)
            case 0x70: sessions[session].withheldPubcomps.insert(acknowledgement.packetID)
            case 0x50: break
            default: connections[slot].withheld.insert(acknowledgement.packetID)
            }
        } else if connections[slot].faults.reorderSeed != nil {
            if connections[slot].held.isEmpty { connections[slot].heldUntil = now + 1_000_000 }
            connections[slot].held.append(acknowledgement)
            noteDeadline(connections[slot].heldUntil)
        } else {
            emit(acknowledgement, session, slot)
        }
    }

    private mutating func emit(_ acknowledgement: BrokerAcknowledgement, _ session: Int, _ slot: Int) {
        mark(slot)
        switch acknowledgement.first {
        case 0x40: sessions[session].withheldPubacks.remove(acknowledgement.packetID)
        case 0x70: sessions[session].withheldPubcomps.remove(acknowledgement.packetID)
        case 0x50:
            if pubrecPosition(acknowledgement.packetID, slot) == nil { connections[slot].pubrecs.append(acknowledgement.packetID) }
        case 0x90:
            let suback = BrokerEncoder.suback(acknowledgement.packetID, acknowledgement.codes)
            return connections[slot].outgoing.append(contentsOf: suback)
        default: break
        }
        BrokerEncoder.acknowledgement(acknowledgement.first, acknowledgement.packetID, into: &connections[slot].outgoing)
    }

    /// Sends held acknowledgements in an order that the seed draws: each with three chances out of four, or all.
    mutating func releaseHeld(_ slot: Int, all: Bool) {
        guard case .open = connections[slot].phase, let session = connections[slot].session else { return }
        var held: [BrokerAcknowledgement] = []
        swap(&held, &connections[slot].held)
        var seed = connections[slot].faults.reorderSeed ?? 0
        while !held.isEmpty {
            let draw = Self.draw(&seed)
            let acknowledgement = held.remove(at: Int(draw >> 32) % held.count)
            if all || draw & 3 != 0 {
                emit(acknowledgement, session, slot)
            } else {
                connections[slot].held.append(acknowledgement)
            }
        }
        connections[slot].heldUntil = now + 1_000_000
        connections[slot].faults.reorderSeed = seed
    }

    /// SplitMix64.
    private static func draw(_ seed: inout UInt64) -> UInt64 {
        seed &+= 0x9E37_79B9_7F4A_7C15
        var mixed = seed
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
