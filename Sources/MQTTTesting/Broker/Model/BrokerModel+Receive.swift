// From bytes to packets to what handles them.

extension BrokerModel {
    mutating func consume(_ bytes: [UInt8], _ slot: Int) throws(Breach) {
        var position = 0
        if !connections[slot].partial.isEmpty, try complete(bytes, &position, slot) {
            try handlePartial(slot)
        }
        while position < bytes.count, try isOpen(slot) {
            let frame = try frame(bytes, at: position, slot)
            guard case .complete(let header, let total) = frame, total <= bytes.count - position else {
                connections[slot].partial = Array(bytes[position...])
                return
            }
            let packet = try BrokerDecoder.decode(bytes, at: position, body: position + header..<position + total)
            try handle(packet, bytes, slot)
            position += total
        }
    }

    private func isOpen(_ slot: Int) throws(Breach) -> Bool {
        switch connections[slot].phase {
        case .awaitingConnect, .open: return true
        case .closed: return false
        case .disconnected: throw Breach("MQTT-3.14.4-2", "bytes after DISCONNECT")
        }
    }

    /// The frame at `position`, refused as early as its beginning allows.
    private func frame(_ bytes: [UInt8], at position: Int, _ slot: Int) throws(Breach) -> BrokerFrame {
        if case .awaitingConnect = connections[slot].phase, bytes[position] >> 4 != 1 {
            throw Breach("MQTT-3.1.0-1", "the first packet is not CONNECT")
        }
        let frame = try BrokerFrame(bytes, at: position)
        if case .complete(_, let total) = frame, total > configuration.maximumPacketSize {
            throw Breach("MQTT-4.8.0-1", "a packet of \(total) bytes is larger than this broker takes")
        }
        return frame
    }

    /// Adds to the begun packet what belongs to it; tells whether it is whole.
    private mutating func complete(_ bytes: [UInt8], _ position: inout Int, _ slot: Int) throws(Breach) -> Bool {
        while true {
            if case .complete(_, let total) = try frame(connections[slot].partial, at: 0, slot) {
                let end = min(bytes.count, position + total - connections[slot].partial.count)
                // Address space, not memory: pages that the peer never fills stay untouched.
                connections[slot].partial.reserveCapacity(total)
                connections[slot].partial.append(contentsOf: bytes[position..<end])
                position = end
                return connections[slot].partial.count == total
            }
            guard position < bytes.count else { return false }
            connections[slot].partial.append(bytes[position])
            position += 1
        }
    }

    private mutating func handlePartial(_ slot: Int) throws(Breach) {
        guard case .complete(let header, let total) = try BrokerFrame(connections[slot].partial, at: 0) else { return }
        guard total > Self.largePacket, connections[slot].partial[0] >> 4 == 3 else {
            var packet: [UInt8] = []
            swap(&packet, &connections[slot].partial)
            return try handle(try BrokerDecoder.decode(packet, at: 0, body: header..<total), packet, slot)
        }
        // A large payload is never copied: the gathered packet becomes the payload by losing its head.
        let head = try BrokerDecoder.publishHead(connections[slot].partial, at: 0, body: header..<total)
        try adopt(topic: head.topic, of: connections[slot].partial, slot)
        var payload: [UInt8] = []
        swap(&payload, &connections[slot].partial)
        payload.removeFirst(head.payload.lowerBound)
        try publish(head, payload, slot)
    }

    static var largePacket: Int { 65_536 }

    private mutating func handle(_ packet: BrokerPacket, _ bytes: [UInt8], _ slot: Int) throws(Breach) {
        guard let session = connections[slot].session else {
            guard case .connect(let connect) = packet else { throw Breach("MQTT-3.1.0-1", "the first packet is not CONNECT") }
            return self.connect(connect, slot)
        }
        switch packet {
        case .connect: throw Breach("MQTT-3.1.0-2", "a second CONNECT")
        case .publish(let head):
            try adopt(topic: head.topic, of: bytes, slot)
            try publish(head, Array(bytes[head.payload]), slot)
        case .puback(let packetID): try puback(packetID, session, slot)
        case .pubrec(let packetID): try pubrec(packetID, session, slot)
        case .pubrel(let packetID): try pubrel(packetID, session, slot)
        case .pubcomp(let packetID): try pubcomp(packetID, session, slot)
        case .subscribe(let packetID, let filters): try subscribe(packetID, filters, session, slot)
        case .unsubscribe(let packetID, let filters): try unsubscribe(packetID, filters, session, slot)
        case .pingreq:
            guard connections[slot].faults.answersPings else { return }
            mark(slot)
            connections[slot].outgoing.append(0xD0)
            connections[slot].outgoing.append(0)
        case .disconnect:
            // [MQTT-3.14.4-3]
            close(slot, as: .disconnected, publishesWill: false)
        }
    }

    /// Makes the text in `range` the connection's topic, checked unless it is the same as before.
    private mutating func adopt(topic range: Range<Int>, of bytes: [UInt8], _ slot: Int) throws(Breach) {
        let text = bytes[range]
        if !text.isEmpty, text.elementsEqual(connections[slot].topic) { return }
        try BrokerText.checkTopicName(bytes, range)
        connections[slot].topic = Array(text)
        connections[slot].targetsGeneration = -1
    }
}
