// What the operator of the broker does to it, faults included, and what can be seen of it.

extension BrokerModel {
    /// A message from the broker's side. The topic has to be a valid topic name.
    package mutating func publish(_ message: BrokerMessage, at now: Int64) {
        self.now = now
        distribute(message)
    }

    /// The process of the broker died and came back: every connection breaks, no will is published. Without persistence every
    /// session and every retained message is gone; with it, clean sessions are.
    package mutating func restart(keepingState: Bool, at now: Int64) {
        self.now = now
        for slot in connections.indices { close(slot, publishesWill: false) }
        if !keepingState {
            dropSessions(at: now)
            topics.forgetRetained()
        }
    }

    /// All sessions are lost. Their connections break.
    package mutating func dropSessions(at now: Int64) {
        self.now = now
        for session in sessions where sessionByClientID[session.clientID] != nil { forget(clientID: session.clientID) }
    }

    /// One session is lost. Its connection breaks.
    package mutating func dropSession(_ clientID: String, at now: Int64) {
        self.now = now
        forget(clientID: Array(clientID.utf8))
    }

    /// Breaks a client's connection.
    package mutating func disconnect(_ clientID: String, at now: Int64) {
        self.now = now
        if let slot = slot(of: clientID) { abort(slot) }
    }

    /// Answers the next CONNECT packets with these codes, zero meaning acceptance.
    package mutating func refuseNext(_ codes: [UInt8]) { refusalsToCome.append(contentsOf: codes) }

    /// Changes what goes wrong on the connection of a client.
    package mutating func setFaults(_ faults: ConnectionFaults, for clientID: String) {
        if let slot = slot(of: clientID) { connections[slot].faults = faults }
    }

    /// Sends the latest PUBLISH at QoS 1 or 2 again that the client has not acknowledged; false when there is none.
    package mutating func duplicateLastPublish(to clientID: String, at now: Int64) -> Bool {
        self.now = now
        guard let slot = slot(of: clientID), let session = connections[slot].session else { return false }
        for position in sessions[session].inFlight.positions.reversed() {
            guard let outbound = sessions[session].inFlight[position], outbound.isSent else { continue }
            if case .pubcomp = outbound.wait { continue }
            encode(
                outbound.message, qos: outbound.qos, retain: outbound.retain, isDuplicate: true, packetID: outbound.packetID, slot)
            pardonRepetition(outbound.qos, outbound.packetID, slot)
            return true
        }
        return false
    }

    /// Sends any bytes to a client; false when it is not connected.
    package mutating func send(raw bytes: [UInt8], to clientID: String, at now: Int64) -> Bool {
        self.now = now
        guard let slot = slot(of: clientID) else { return false }
        mark(slot)
        connections[slot].outgoing.append(contentsOf: bytes)
        return true
    }

    /// The client gave a QoS 1 publish up whose PUBACK it never got: it will not come again, and a new message may have its identifier.
    /// Nothing on the wire says so, and to a broker each QoS 1 PUBLISH is a new one [MQTT-4.3.2-2].
    package mutating func setFree(_ packetID: UInt16, of clientID: String) {
        guard let session = sessionByClientID[Array(clientID.utf8)] else { return }
        sessions[session].withheldPubacks.remove(packetID)
    }

    private func slot(of clientID: String) -> Int? {
        sessionByClientID[Array(clientID.utf8)].flatMap { sessions[$0].slot }
    }

    // MARK: What a driver steers by

    /// Some connected client's queue filled to the half and has not come down to a quarter.
    package var isCongested: Bool { !congestedSlots.isEmpty }

    /// Whether it is that client's.
    package func isCongested(_ id: ConnectionID) -> Bool { slotByID[id.number].map { congestedSlots.contains($0) } ?? false }

    /// Whether the queues do without this client's acknowledgements. One that has messages itself must be heard, or it would
    /// never get rid of them.
    package func mayPause(_ id: ConnectionID) -> Bool {
        guard let slot = slotByID[id.number], let session = connections[slot].session else { return false }
        return sessions[session].inFlight.isEmpty && sessions[session].queue.isEmpty && sessions[session].volatileQueue.isEmpty
    }

    // MARK: What can be seen

    /// In the order of first appearance.
    package var connectedClients: [String] {
        connections.compactMap { connection in
            guard case .open = connection.phase, let session = connection.session else { return nil }
            return String(decoding: sessions[session].clientID, as: UTF8.self)
        }
    }

    package func hasSession(_ clientID: String) -> Bool { sessionByClientID[Array(clientID.utf8)] != nil }

    package func isConnected(_ clientID: String) -> Bool { slot(of: clientID) != nil }

    package func filters(of clientID: String) -> [String] {
        guard let session = sessionByClientID[Array(clientID.utf8)] else { return [] }
        return sessions[session].filters.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Messages for a client that wait or are in flight at QoS 1 and 2, PUBREL included.
    package func pendingCount(of clientID: String) -> Int {
        guard let session = sessionByClientID[Array(clientID.utf8)] else { return 0 }
        return sessions[session].queue.count + sessions[session].inFlight.count
    }

    /// Exchanges at QoS 2 from a client that wait for PUBREL.
    package func unreleasedCount(of clientID: String) -> Int {
        guard let session = sessionByClientID[Array(clientID.utf8)] else { return 0 }
        return sessions[session].inbound.count
    }

    package func retainedMessages(matching filter: String) -> [BrokerMessage] { topics.retained(matching: Array(filter.utf8)) }
}
