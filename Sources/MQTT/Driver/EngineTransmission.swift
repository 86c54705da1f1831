@_spi(Driver) internal import MQTTCore
internal import NIOCore

/// What publishes make of the state, beside the steps of the session.
extension EngineState {
    /// What a publish of QoS 0 became.
    enum Transmission {
        case buffered(Link, position: UInt64)
        case refused(Refusal)
    }

    // Each says at once what a publish of QoS 0 becomes, of which nothing else can come.

    /// Its topic is the one that was checked last.
    mutating func transmitToChecked(_ payload: Payload, _ topic: String, retain: Bool) -> Transmission {
        guard transmits else { return refusalToTransmit() }
        let flags = PublishFlags(qos: .atMostOnce, retain: retain)
        if !payload.append(to: checkedTopic.encoded, flags, 0, &outbound) { append(payload, to: topic, retain: retain) }
        return transmitted
    }

    // Not inlined: with two ways to go references would be counted also for few bytes.
    @inline(never) private mutating func append(_ payload: Payload, to topic: String, retain: Bool) {
        let head = OutboundPublish(topic: topic, qos: .atMostOnce, retain: retain, payloadLength: payload.count)
        outbound.append(head, payload, packetID: 0, isDuplicate: false, serial: nil)
    }

    mutating func transmit(_ publication: Publication) -> Transmission {
        guard transmits else { return refusalToTransmit() }
        outbound.append(publication.head, publication.payload, packetID: 0, isDuplicate: false, serial: nil)
        return transmitted
    }

    /// Whether the loop has to be woken for the outbound buffer, or for a publish that will be too old one day.
    mutating func needsFlush() -> Bool {
        if hasQueuedAge { return needsWake() }
        guard !isWakeScheduled, !isWriting, !outbound.isEmpty else { return false }
        isWakeScheduled = true
        return true
    }

    /// The publish cannot be sent any more.
    mutating func fail(_ serial: Serial, _ error: MQTTError, at now: Instant) {
        guard let record = publishes[serial] else { return }
        step(.abandon(serial), at: now)
        // The session goes on with what PUBREC came for.
        guard aftermath.completions.contains(where: { $0.0 === record }) else { return }
        var error = error
        if record.wasSentBefore { error.fate = .unknown }
        aftermath.completions.removeAll { $0.0 === record }
        aftermath.completions.append((record, .failure(error)))
    }
}
