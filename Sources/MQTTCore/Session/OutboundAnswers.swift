/// What the broker says to publishes.
extension OutboundFlow {
    /// The publish that an acknowledgement is about, when it was sent on this link. Else the acknowledgement is ignored.
    private func sent(_ packetID: PacketID, _ qos: QoS) -> (Serial, State)? {
        guard let serial = PublishID.sequence(of: packetID, from: publishes.base), serial < cursor else { return nil }
        guard let publish = publishes[serial], publish.qos == qos else { return nil }
        return (serial, publish.state)
    }

    mutating func puback(_ packetID: PacketID) -> Serial? {
        guard let (serial, state) = sent(packetID, .atLeastOnce), state == .sent else { return nil }
        complete(serial)
        return serial
    }

    enum PubrecOutcome: Equatable {
        case ignored
        case store(Serial)
        case release
    }

    mutating func pubrec(_ packetID: PacketID, isDurable: Bool) -> PubrecOutcome {
        guard let (serial, state) = sent(packetID, .exactlyOnce) else { return .ignored }
        switch state {
        case .sent:
            release(serial, isDurable: isDurable)
            return isDurable ? .store(serial) : .release
        case .received: return .release  // each PUBREC is answered, the repeated one too [MQTT-4.3.3-1]
        case .storing, .queued, .storingReceived, .storingAgain: return .ignored
        }
    }

    /// From now on PUBREL goes out instead of PUBLISH.
    mutating func release(_ serial: Serial, isDurable: Bool) {
        publishes[present: serial].receivedOrder = receivedCount
        receivedCount &+= 1
        publishes[present: serial].state = isDurable ? .storingReceived : .received
    }

    /// Whether PUBREL may go out now.
    mutating func receivedStored(_ serial: Serial) -> Bool {
        guard let publish = publishes[serial], publish.state == .storingReceived else { return false }
        publishes[present: serial].state = .received
        return true
    }

    enum PubcompOutcome: Equatable {
        case ignored
        case complete(Serial)
        /// The application knows its end already.
        case forget(Serial)
    }

    mutating func pubcomp(_ packetID: PacketID) -> PubcompOutcome {
        guard let serial = PublishID.sequence(of: packetID, from: publishes.base) else { return .ignored }
        guard let publish = publishes[serial], publish.state == .received else { return .ignored }
        complete(serial)
        return publish.marks.contains(.givenUp) ? .forget(serial) : .complete(serial)
    }
}
