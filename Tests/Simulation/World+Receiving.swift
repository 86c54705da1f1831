import MQTTCore

/// From bytes to events, with the real decoder, as the driver does it.
extension World {
    mutating func clientReceived(_ bytes: [UInt8]) {
        let link = shell.link
        shell.inbox.append(contentsOf: bytes)
        var start = 0
        while failure == nil, shell.link == link, let used = nextPacket(at: start) { start += used }
        guard failure == nil, shell.link == link else { return }
        shell.inbox.removeSubrange(..<start)
        step(.received(midPacket: !shell.inbox.isEmpty || shell.stream != nil))
    }

    /// Handles what begins at `start`, and returns its length; nil when there is not enough.
    private mutating func nextPacket(at start: Int) -> Int? {
        guard start < shell.inbox.count else { return nil }
        if shell.stream != nil { return streamed(at: start) }
        do throws(ProtocolViolation) {
            guard let header = try shell.decoder.header(shell.inbox.span, at: start) else { return nil }
            if header.type == .publish { return try publish(at: start, header) }
            guard shell.inbox.count - start >= header.packetLength else { return nil }
            let packet = try shell.decoder.control(shell.inbox.span, at: start, header)
            received(packet)
            return header.packetLength
        } catch {
            step(.violation(error))
            return nil
        }
    }

    // MARK: Control packets

    private mutating func received(_ packet: InboundPacket) {
        let link = shell.link
        let strays = settings.faults.contains(.strays) && shell.isOnline && !isCalm
        if strays, dice.chance(1, in: 30) { receiveStray() }
        guard shell.link == link else { return }
        receive(packet)
        let repeats = settings.faults.contains(.repeats) && shell.isOnline && shell.link == link && !isCalm
        if repeats, dice.chance(1, in: 30), packet.isAcknowledgement {
            marks.hit(.repeatedAcknowledgement)
            receive(packet)
        }
    }

    private mutating func receive(_ packet: InboundPacket) {
        if case .pubrel(let packetID) = packet { inbound.receivePubrel(packetID) }
        if case .pubrec(let packetID) = packet {
            if storage.issued > storage.storedUpTo { marks.hit(.pubrecWhileStoring) }
            if let publish = outbound.owner(of: packetID), publish.sent > 1, !publish.isReceived { marks.hit(.pubrecAfterResend) }
        }
        let due = shell.isOnline ? outbound.receive(packet, on: shell.link) : nil
        step(.packet(packet))
        if let due, failure == nil, !shell.closesAfterFlush, !shell.isDown, outbound[due].outcome == .none {
            fail(.acknowledgementHonoured, "\(packet) of \(due) has no effect")
        }
    }

    /// An acknowledgement that is about nothing, or about something else.
    private mutating func receiveStray() {
        let packetID =
            dice.chance(1, in: 2)
            ? PublishID.of((outbound.publishes.isEmpty ? 0 : dice.pick(outbound.publishes).serial) + UInt64(dice.below(3)))
            : PacketID(1 + dice.below(300))
        let packet: InboundPacket
        if let publish = outbound.owner(of: packetID) {
            guard publish.sent > 0 else { return }
            if publish.qos == .atLeastOnce {
                packet = dice.chance(1, in: 2) ? .pubrec(packetID) : .pubcomp(packetID)
            } else {
                packet = publish.isReceived || dice.chance(1, in: 2) ? .puback(packetID) : .pubcomp(packetID)
            }
        } else if outbound.isRequest(packetID) {
            packet = dice.pick([.puback(packetID), .pubrec(packetID), .pubcomp(packetID)])
        } else {
            packet = dice.pick([
                .puback(packetID), .pubrec(packetID), .pubcomp(packetID), .suback(packetID, codes: 1), .unsuback(packetID),
            ])
        }
        marks.hit(.strayAcknowledgement)
        step(.packet(packet))
    }

    // MARK: PUBLISH

    private mutating func publish(at start: Int, _ header: FixedHeader) throws(ProtocolViolation) -> Int? {
        guard let head = try shell.publishHead(at: start, header) else { return nil }
        let available = shell.inbox.count - start
        let isWhole = available >= header.packetLength
        if !isWhole, header.packetLength <= plan.readBuffer { return nil }
        let payload = start + head.payloadOffset
        // The eight bytes that name the message are waited for, which a driver need not do.
        guard available >= head.payloadOffset + Payloads.minimum else { return nil }
        guard let name = Payloads.name(of: shell.inbox[payload...]), Payloads.direction(of: name) == 2,
            inbound.origins.indices.contains(Payloads.index(of: name))
        else {
            fail(.payloadIntact, "a received payload names no message")
            return nil
        }
        let origin = Payloads.index(of: name)
        guard head.payloadLength == Int(inbound.origins[origin].size) else {
            fail(.payloadIntact, "message \(origin) has \(head.payloadLength) bytes")
            return nil
        }
        let present = min(head.payloadLength, available - head.payloadOffset)
        checkPayload(payload..<payload + present, name, from: 0)
        shell.receiving = .init(origin: origin, packetID: head.packetID, qos: head.qos, isWhole: isWhole)
        let link = shell.link
        if !isWhole {
            marks.hit(.streamedIn)
            shell.stream = .init(message: nil, name: name, offset: present, rest: head.payloadLength - present)
        }
        step(.packet(.publish(InboundPublish(qos: head.qos, packetID: head.packetID, isComplete: isWhole))))
        guard failure == nil, !shell.isDown else { return nil }
        // Behind DISCONNECT nothing is received any more.
        if shell.receiving?.isSettled != true, !shell.closesAfterFlush {
            fail(.atLeastOnce, "PUBLISH \(head.packetID) is neither delivered nor dropped")
        }
        if shell.link == link { shell.stream?.message = shell.receiving?.message }
        shell.receiving = nil
        if settings.canary == .completesPayloadEarly, !isWhole { step(.payloadCompleted) }
        return head.payloadOffset + present
    }

    private mutating func streamed(at start: Int) -> Int? {
        guard var stream = shell.stream else { return nil }
        let count = min(stream.rest, shell.inbox.count - start)
        checkPayload(start..<start + count, stream.name, from: stream.offset)
        stream.offset += count
        stream.rest -= count
        guard stream.rest == 0 else {
            shell.stream = stream
            return count
        }
        shell.stream = nil
        if let message = stream.message {
            inbound[message].isWhole = true
            // One that was dismissed is handed over now: before, it might have broken off and come again.
            if inbound[message].isReleased { check(inbound.handOver(message)) }
            becameWhole(message)
        }
        step(.payloadCompleted)
        return count
    }

    private mutating func checkPayload(_ range: Range<Int>, _ name: UInt64, from offset: Int) {
        if !Payloads.matches(shell.inbox[range], name, from: offset) { fail(.payloadIntact, "a received payload is damaged") }
    }

    // MARK: Back-pressure

    mutating func stopReading() {
        guard shell.isOnline, shell.isReading else { return }
        shell.isReading = false
        marks.hit(.backPressure)
        shell.followUps.append(.reading(false))
    }

    mutating func resumeReading() {
        guard shell.isOnline, !shell.isReading else { return }
        shell.isReading = true
        let link = shell.link
        step(.reading(true))
        if shell.link == link, link != 0 { move(link, \.toClient, .arriveAtClient(link)) }
    }
}

extension InboundPacket {
    fileprivate var isAcknowledgement: Bool {
        switch self {
        case .puback, .pubrec, .pubcomp, .unsuback: true
        case .connack, .publish, .pubrel, .suback, .pingresp: false
        }
    }
}
