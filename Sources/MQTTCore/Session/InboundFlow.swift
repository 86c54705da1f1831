/// Received QoS 1 and 2 messages: each is acknowledged when the application has released it, in the order of arrival
/// [MQTT-4.6.0-2] [MQTT-4.6.0-3], and a QoS 2 message is handed over once.
struct InboundFlow: Sendable, Equatable {
    /// What is known of the packet identifier of an inbound QoS 2 message, from PUBLISH to PUBREL.
    enum Ownership: Sendable, Equatable {
        /// Handed over under this receipt, and not released. Can transition to: `storing`, `owned`.
        case delivered(Receipt)
        /// Released, and being stored by the commit of this number. Can transition to: `owned`.
        case storing(by: UInt64)
        /// The application owns it: PUBREC goes out, and a repetition is answered and dropped [MQTT-4.3.3-2].
        case owned
        /// PUBREL came, and its removal is being stored. PUBCOMP follows.
        case removing
    }

    /// An acknowledgement to come, by receipt.
    struct Due: Sendable, Equatable {
        enum Kind: UInt8, Sendable {
            case puback
            case pubrec
            case pubcomp
        }

        var kind: Kind
        var packetID: PacketID
        var isReleased: Bool
    }

    /// Acknowledgements that this link is owed. A receipt below its base belongs to an earlier link.
    private var due = SequenceRing<Due>(base: 1)
    private var received = PacketTable<Ownership>()
    /// Receipts of earlier links that QoS 2 messages are still held under.
    private var earlier: [Receipt: PacketID] = [:]
    /// Identifiers whose PUBCOMP waits its turn in `due`: the broker did not wait for PUBREC.
    private var completing: Set<PacketID> = []
    /// The message whose payload is still arriving.
    private var incomplete: Receipt?

    var nextReceipt: Receipt { due.end }
    /// As many answers are due as there are packet identifiers: no conforming broker waits for more [MQTT-2.3.1-4].
    var isFull: Bool { due.count >= Int(PacketID.max) }

    // MARK: The broker

    mutating func publish(_ publish: InboundPublish, commits: inout CommitFlow, into effects: inout Effects) {
        let receipt = due.end
        switch publish.qos {
        case .atMostOnce:
            effects.append(.deliver(0))
            return
        case .atLeastOnce:
            due.append(Due(kind: .puback, packetID: publish.packetID, isReleased: false))
            effects.append(.deliver(receipt))
        case .exactlyOnce:
            let isRepeated = received[publish.packetID] != nil
            due.append(Due(kind: .pubrec, packetID: publish.packetID, isReleased: isRepeated))
            if !isRepeated { received[publish.packetID] = .delivered(receipt) }
            effects.append(isRepeated ? .discard : .deliver(receipt))
            if isRepeated, publish.isComplete { acknowledge(commits: &commits, into: &effects) }
        }
        if !publish.isComplete { incomplete = receipt }
    }

    mutating func payloadCompleted(commits: inout CommitFlow, into effects: inout Effects) {
        if let receipt = incomplete, due.contains(receipt), due[receipt].isReleased {
            own(due[receipt].packetID, receipt, commits: &commits, into: &effects)
        }
        incomplete = nil
        acknowledge(commits: &commits, into: &effects)
    }

    /// PUBREL is answered with PUBCOMP, known or not [MQTT-4.3.3-2].
    mutating func pubrel(_ packetID: PacketID, commits: inout CommitFlow, into effects: inout Effects) {
        // Another PUBCOMP behind that one would forget the next message under the identifier, and let it be acknowledged early.
        if completing.contains(packetID) { return }
        switch received[packetID] {
        case nil:
            effects.append(.send(.pubcomp(packetID)))
        case .owned: remove(packetID, commits: &commits, into: &effects)
        case .delivered, .storing:
            // The broker did not wait for PUBREC. The answers keep their order.
            completing.insert(packetID)
            due.append(Due(kind: .pubcomp, packetID: packetID, isReleased: true))
            acknowledge(commits: &commits, into: &effects)
        case .removing: break  // PUBCOMP is on its way
        }
    }

    /// Ends the exchange: PUBCOMP goes out now, or once the removal is stored.
    private mutating func remove(_ packetID: PacketID, commits: inout CommitFlow, into effects: inout Effects) {
        if commits.isDurable {
            received[packetID] = .removing
            commits.store(.removeInbound(packetID), into: &effects)
        } else {
            received[packetID] = nil
            effects.append(.send(.pubcomp(packetID)))
        }
    }

    /// The commit of a message that the broker has forgotten since says nothing about the next one under its identifier.
    /// - Parameter isOnline: Nothing is answered behind DISCONNECT [MQTT-3.14.4-2].
    mutating func inboundStored(
        _ packetID: PacketID, by commit: UInt64, isOnline: Bool, commits: inout CommitFlow, into effects: inout Effects
    ) {
        guard received[packetID] == .storing(by: commit) else { return }
        received[packetID] = .owned
        if isOnline { acknowledge(commits: &commits, into: &effects) }
    }

    /// Whether PUBCOMP may go out now.
    mutating func removalStored(_ packetID: PacketID) -> Bool {
        guard received[packetID] == .removing else { return false }
        received[packetID] = nil
        return true
    }

    // MARK: The application

    mutating func release(_ receipt: Receipt, commits: inout CommitFlow, into effects: inout Effects) {
        if due.contains(receipt) {
            guard !due[receipt].isReleased else { return }
            due[receipt].isReleased = true
            // A message is nobody's before it is whole: when it breaks off, the next one is not a repetition.
            if receipt != incomplete { own(due[receipt].packetID, receipt, commits: &commits, into: &effects) }
        } else if let packetID = earlier.removeValue(forKey: receipt) {
            own(packetID, receipt, commits: &commits, into: &effects)
        }
        acknowledge(commits: &commits, into: &effects)
    }

    /// A QoS 2 message is the application's now, as soon as that is stored.
    private mutating func own(_ packetID: PacketID, _ receipt: Receipt, commits: inout CommitFlow, into effects: inout Effects) {
        guard received[packetID] == .delivered(receipt) else { return }
        received[packetID] = commits.isDurable ? .storing(by: commits.store(.inbound(packetID), into: &effects)) : .owned
    }

    /// Sends what is due: the released ones up to the first that is not.
    private mutating func acknowledge(commits: inout CommitFlow, into effects: inout Effects) {
        while !due.isEmpty, due.base != incomplete {
            let next = due[due.base]
            switch next.kind {
            case .puback:
                guard next.isReleased else { return }
                effects.append(.send(.puback(next.packetID)))
            case .pubrec:
                if let ownership = received[next.packetID], ownership != .owned { return }
                effects.append(.send(.pubrec(next.packetID)))
            case .pubcomp:
                completing.remove(next.packetID)
                remove(next.packetID, commits: &commits, into: &effects)
            }
            due.removeFirst()
        }
    }

    /// An earlier run has seen to it that the application owns this message.
    mutating func restore(_ packetID: PacketID) {
        if packetID != 0 { received[packetID] = .owned }
    }

    // MARK: The link

    /// Releases of this link send nothing from now on. QoS 2 messages in the application's hands stay known.
    mutating func linkLost() {
        if let incomplete, due.contains(incomplete), due[incomplete].kind == .pubrec {
            // It was never received in full: when it comes again it is not a repetition.
            let packetID = due[incomplete].packetID
            if received[packetID] == .delivered(incomplete) { received[packetID] = nil }
        }
        incomplete = nil
        for packetID in received.packetIDs {
            switch received[packetID] {
            case .delivered(let receipt): earlier[receipt] = packetID
            case .removing: received[packetID] = .owned
            case .storing, .owned, nil: break
            }
        }
        due.removeAll()
        completing.removeAll()
    }

    /// The broker has forgotten the session: what comes under these identifiers is new.
    /// Returns whether there was anything to forget.
    mutating func forget() -> Bool {
        let hadAny = !received.isEmpty
        received.removeAll()
        earlier = [:]
        return hadAny
    }
}
