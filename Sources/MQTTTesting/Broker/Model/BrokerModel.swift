/// An MQTT 3.1.1 broker without I/O, clock or randomness, for tests, demonstrations and simulations.
///
/// Calls say what happened on connections; ``takeOutputs()`` says what is to be done about it. The same calls give the same
/// outputs. It was written from the standard with a decoder, an encoder and a topic matching of its own, so that a fault in the
/// client's cannot cancel itself out, and it judges a client as strictly as a server may: see ``violations``.
///
/// Times are nanoseconds from any origin, and never run backwards.
package struct BrokerModel: Sendable {
    package let configuration: BrokerConfiguration

    /// Rules that clients broke. Each ended its connection.
    package internal(set) var violations: [Violation] = []
    /// What looks wrong and cannot be proven, or is wrong without harm: the first thousand. Connections survive it.
    package internal(set) var suspicions: [Violation] = []
    package internal(set) var losses = Losses()

    var now: Int64 = 0
    var connections: [BrokerConnection] = []
    var freeSlots: [Int] = []
    var slotByID: [Int: Int] = [:]
    var sessions: [BrokerSession] = []
    var freeSessions: [Int] = []
    var sessionByClientID: [[UInt8]: Int] = [:]
    /// Client identifiers that ever got a session, which outlives the session.
    var knownClients: Set<[UInt8]> = []
    var assignedClientIDs = 0
    var topics = BrokerTopics()
    var congestedSlots: Set<Int> = []
    var refusalsToCome: [UInt8] = []
    /// A lower bound of `nextDeadline` at constant cost: a connection that speaks only moves its deadline back.
    package private(set) var wakeUp = Int64.max
    private var outputs: [Output] = []
    private var dirty: [Int] = []
    private let connectTimeout: Int64
    let inFlightLimit: Int

    package init(configuration: BrokerConfiguration = BrokerConfiguration()) {
        self.configuration = configuration
        inFlightLimit = min(max(configuration.inFlightLimit, 1), 65_535)
        let (seconds, attoseconds) = configuration.connectTimeout.components
        connectTimeout = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}

// MARK: - The door

extension BrokerModel {
    package mutating func connectionOpened(_ id: ConnectionID, faults: ConnectionFaults = ConnectionFaults(), at now: Int64) {
        self.now = now
        let connection = BrokerConnection(id: id, faults: faults, now: now, connectTimeout: connectTimeout)
        if let slot = freeSlots.popLast() {
            connections[slot] = connection
            slotByID[id.number] = slot
        } else {
            slotByID[id.number] = connections.count
            connections.append(connection)
        }
        if let deadline = connection.deadline { noteDeadline(deadline) }
    }

    /// Bytes from a client, cut anywhere. Unknown connections are ignored.
    package mutating func received(_ bytes: [UInt8], from id: ConnectionID, at now: Int64) {
        guard let slot = slotByID[id.number] else { return }
        self.now = now
        connections[slot].lastReceived = now
        do throws(Breach) {
            try consume(bytes, slot)
        } catch {
            violate(error, slot)
        }
        if !connections[slot].held.isEmpty { releaseHeld(slot, all: false) }
    }

    /// The connection is gone, by whoever's wish. Has to follow each `close` output too.
    package mutating func connectionClosed(_ id: ConnectionID, at now: Int64) {
        guard let slot = slotByID.removeValue(forKey: id.number) else { return }
        self.now = now
        end(slot, as: .closed, publishesWill: true)
        connections[slot].outgoing = []
        connections[slot].partial = []
        freeSlots.append(slot)
    }

    /// So many bytes of `send` outputs reached the connection; see `BrokerConfiguration.unsentLimit`.
    package mutating func written(_ count: Int, to id: ConnectionID, at now: Int64) {
        guard let slot = slotByID[id.number] else { return }
        self.now = now
        let wasFull = connections[slot].unsent >= configuration.unsentLimit
        connections[slot].unsent -= count
        if wasFull || congestedSlots.contains(slot), hasRoom(slot), let session = connections[slot].session { pump(session) }
    }

    /// Tells that the caller stopped or resumed reading from a client. Meanwhile its silence proves nothing.
    package mutating func reading(_ isReading: Bool, from id: ConnectionID, at now: Int64) {
        guard let slot = slotByID[id.number] else { return }
        connections[slot].isPaused = !isReading
        connections[slot].lastReceived = now
        if let deadline = connections[slot].deadline { noteDeadline(deadline) }
    }

    mutating func noteDeadline(_ deadline: Int64) { wakeUp = min(wakeUp, deadline) }

    /// When ``tick(at:)`` has something to do.
    package var nextDeadline: Int64? {
        var earliest: Int64?
        for slot in slotByID.values {
            guard let deadline = connections[slot].deadline else { continue }
            earliest = min(earliest ?? deadline, deadline)
        }
        return earliest
    }

    package mutating func tick(at now: Int64) {
        self.now = now
        for slot in connections.indices {
            if !connections[slot].held.isEmpty, connections[slot].heldUntil <= now { releaseHeld(slot, all: true) }
            // [MQTT-3.1.2-24] As if the network had failed.
            if let deadline = connections[slot].silenceDeadline, deadline <= now { abort(slot) }
        }
        wakeUp = nextDeadline ?? .max
    }

    /// What is to be done, in order. Taking it gathers the small packets for a client into one `send`.
    package mutating func takeOutputs() -> [Output] {
        for slot in dirty where connections[slot].isDirty { flush(slot) }
        dirty.removeAll(keepingCapacity: true)
        var taken: [Output] = []
        swap(&taken, &outputs)
        return taken
    }
}

// MARK: - Ways out

extension BrokerModel {
    /// A packet was, or is about to be, appended to `outgoing`.
    mutating func mark(_ slot: Int) {
        guard !connections[slot].isDirty else { return }
        connections[slot].isDirty = true
        dirty.append(slot)
    }

    mutating func flush(_ slot: Int) {
        connections[slot].isDirty = false
        guard !connections[slot].outgoing.isEmpty else { return }
        var bytes: [UInt8] = []
        swap(&bytes, &connections[slot].outgoing)
        send(bytes, slot)
    }

    /// Sends behind what was flushed, without a copy.
    mutating func send(_ bytes: [UInt8], _ slot: Int) {
        connections[slot].unsent += bytes.count
        outputs.append(.send(connections[slot].id, bytes))
    }

    func hasRoom(_ slot: Int) -> Bool {
        connections[slot].unsent + connections[slot].outgoing.count < configuration.unsentLimit
    }

    mutating func report(_ publish: ReceivedPublish) { outputs.append(.published(publish)) }

    /// Closes from the broker's side, as after a failure: the will is published.
    mutating func abort(_ slot: Int) { close(slot, publishesWill: true) }

    mutating func close(_ slot: Int, as phase: BrokerConnection.Phase = .closed, publishesWill: Bool) {
        switch connections[slot].phase {
        case .closed, .disconnected: return
        case .awaitingConnect, .open: break
        }
        flush(slot)
        outputs.append(.close(connections[slot].id))
        end(slot, as: phase, publishesWill: publishesWill)
    }

    mutating func violate(_ breach: Breach, _ slot: Int) {
        violations.append(judgement(breach, slot))
        abort(slot)
        // [MQTT-4.8.0-1] Nothing behind it is looked at, not even after DISCONNECT.
        connections[slot].phase = .closed
    }

    mutating func suspect(_ statement: String, _ detail: String, _ slot: Int) {
        guard suspicions.count < 1000 else { return }
        suspicions.append(judgement(Breach(statement, detail), slot))
    }

    private func judgement(_ breach: Breach, _ slot: Int) -> Violation {
        let clientID = connections[slot].session.map { String(decoding: sessions[$0].clientID, as: UTF8.self) } ?? ""
        return Violation(
            statement: breach.statement, detail: breach.detail, clientID: clientID, connection: connections[slot].id.number)
    }
}
