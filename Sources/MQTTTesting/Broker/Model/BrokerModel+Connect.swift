// The beginning and the end of connections and sessions.

extension BrokerModel {
    mutating func connect(_ connect: BrokerConnect, _ slot: Int) {
        connections[slot].level = connect.level
        // [MQTT-3.1.2-2]
        guard connect.level == 4 else { return refuse(slot, 1) }
        var connect = connect
        if connect.clientID.isEmpty {
            // [MQTT-3.1.3-7], [MQTT-3.1.3-8]
            guard connect.isClean else {
                refuse(slot, 2)
                return violate(Breach("MQTT-3.1.3-7", "an empty client identifier without Clean Session"), slot)
            }
            assignedClientIDs += 1
            connect.clientID = Array("assigned-\(assignedClientIDs)".utf8)
        }
        if let code = refusal(of: connect, slot) { return refuse(slot, code) }
        if connections[slot].faults.losesSession { forget(clientID: connect.clientID) }
        // [MQTT-3.1.4-2]
        if let session = sessionByClientID[connect.clientID], let other = sessions[session].slot { abort(other) }
        let isPresent = attachSession(connect, slot)
        connections[slot].phase = .open
        connections[slot].silenceLimit = Int64(connect.keepAliveSeconds) * 1_500_000_000
        if let deadline = connections[slot].deadline { noteDeadline(deadline) }
        if connections[slot].faults.closesBeforeConnack { return abort(slot) }
        connections[slot].will = connect.will
        mark(slot)
        BrokerEncoder.connack(sessionPresent: isPresent, code: 0, into: &connections[slot].outgoing)
        if let session = connections[slot].session { pump(session) }
    }

    private mutating func refusal(of connect: BrokerConnect, _ slot: Int) -> UInt8? {
        if let code = connections[slot].faults.refusal { return code }
        if !refusalsToCome.isEmpty {
            let code = refusalsToCome.removeFirst()
            if code != 0 { return code }
        }
        if !configuration.refusals.isEmpty, let code = configuration.refusals[String(decoding: connect.clientID, as: UTF8.self)] {
            return code
        }
        guard let credentials = configuration.credentials else { return nil }
        guard let userName = connect.userName else { return 5 }
        guard let password = credentials[String(decoding: userName, as: UTF8.self)], password == connect.password ?? [] else { return 4 }
        return nil
    }

    /// [MQTT-3.2.2-4], [MQTT-3.2.2-5]; and [MQTT-3.1.4-5], since a closed connection is not read.
    private mutating func refuse(_ slot: Int, _ code: UInt8) {
        BrokerEncoder.connack(sessionPresent: false, code: code, into: &connections[slot].outgoing)
        close(slot, publishesWill: false)
    }

    /// Continues or begins the session; tells which [MQTT-3.1.2-4].
    private mutating func attachSession(_ connect: BrokerConnect, _ slot: Int) -> Bool {
        if let index = sessionByClientID[connect.clientID] {
            if !connect.isClean {
                sessions[index].slot = slot
                sessions[index].connections += 1
                sessions[index].pardons.removeAll()
                sessions[index].arrivals.connect()
                connections[slot].session = index
                return true
            }
            // [MQTT-3.1.2-6]
            forget(session: index)
        }
        var session = BrokerSession(clientID: connect.clientID, isClean: connect.isClean, slot: slot)
        session.isFirstContact = knownClients.insert(connect.clientID).inserted
        let index = freeSessions.popLast() ?? sessions.count
        if index == sessions.count { sessions.append(session) } else { sessions[index] = session }
        sessionByClientID[connect.clientID] = index
        connections[slot].session = index
        return false
    }

    /// Separates connection and session.
    mutating func end(_ slot: Int, as phase: BrokerConnection.Phase, publishesWill: Bool) {
        switch connections[slot].phase {
        case .closed, .disconnected: return
        case .awaitingConnect, .open: connections[slot].phase = phase
        }
        connections[slot].held = []
        congestedSlots.remove(slot)
        guard let index = connections[slot].session else { return }
        detach(session: index)
        if let will = connections[slot].will, publishesWill {
            connections[slot].will = nil
            distribute(will)
        }
    }

    private mutating func detach(session index: Int) {
        sessions[index].slot = nil
        losses.droppedAtMostOnce += sessions[index].volatileQueue.count
        while let queued = sessions[index].volatileQueue.popFirst() { sessions[index].queuedBytes -= queued.message.payload.count }
        for position in sessions[index].inFlight.positions { sessions[index].inFlight[position]?.isSent = false }
        sessions[index].unsentInFlight = sessions[index].inFlight.count
        if sessions[index].isClean { forget(session: index) }
    }

    /// Drops the state of a client that is not connected.
    private mutating func forget(session index: Int) {
        for filter in sessions[index].filters { topics.unsubscribe(index, from: filter) }
        sessionByClientID[sessions[index].clientID] = nil
        // The name stays until the number is used again, for what its connection is still found to have done.
        sessions[index] = BrokerSession(clientID: sessions[index].clientID, isClean: true, slot: nil)
        freeSessions.append(index)
    }

    /// Drops the state of a client; a connection that it has breaks.
    mutating func forget(clientID: [UInt8]) {
        if let index = sessionByClientID[clientID], let slot = sessions[index].slot { abort(slot) }
        if let index = sessionByClientID[clientID] { forget(session: index) }
    }
}
