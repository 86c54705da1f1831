import MQTTCore
import MQTTTesting

/// From effects to bytes, with the real codec, and what must hold of everything that goes out.
extension World {
    /// Bytes leave only through here.
    private mutating func write(_ length: Int, _ body: (inout PacketWriter) -> Void) {
        shell.outbound.append(contentsOf: [UInt8](packetOf: length, body))
        noteSent()
    }

    private mutating func noteSent() {
        guard shell.isOpen else { return fail(.nothingSentOffline, "a packet is sent without a connection") }
        // [MQTT-3.14.4-2]
        if shell.closesAfterFlush { fail(.nothingSentOffline, "a packet is sent behind DISCONNECT") }
        checkKeepAlive()
        shell.lastPacketAt = now
        scheduleFlush()
    }

    /// [MQTT-3.1.2-23]
    func keepAliveOverdue() -> Bool {
        let limit = Int64(plan.configuration.keepAliveSeconds) * second
        return limit > 0 && shell.isOnline && !shell.closesAfterFlush && now - shell.lastPacketAt > limit + 20 * millisecond
    }

    mutating func checkKeepAlive() {
        if keepAliveOverdue() { fail(.keepAlive, "nothing was sent for \((now - shell.lastPacketAt) / millisecond) ms") }
    }

    private func mayFlow() -> Bool { shell.isOpen && shell.isOnline }

    mutating func sendConnect(clean: Bool) {
        guard shell.isOpen, !shell.isOnline else { return fail(.nothingSentOffline, "CONNECT without a new connection") }
        shell.lastPacketAt = now
        connections[Int(shell.link) - 1].isClean = clean
        let connect = Connect(clientID: World.clientID, cleanSession: clean, keepAliveSeconds: plan.configuration.keepAliveSeconds)
        write(connect.encodedLength) { connect.encode(into: &$0) }
    }

    mutating func send(_ packet: ControlPacket) {
        guard mayFlow() else { return fail(.nothingSentOffline, "\(packet) while offline") }
        switch packet {
        case .puback(let packetID): check(inbound.sendAcknowledgement(packetID, .atLeastOnce, storedUpTo: storage.storedUpTo))
        case .pubrec(let packetID): check(inbound.sendAcknowledgement(packetID, .exactlyOnce, storedUpTo: storage.storedUpTo))
        case .pubcomp(let packetID): check(inbound.sendPubcomp(packetID, storedUpTo: storage.storedUpTo))
        case .pubrel(let packetID):
            let isAgain = (outbound.owner(of: packetID)?.releasedOn ?? shell.link) != shell.link
            if isAgain, outbound.owner(of: packetID)?.releasedOn != 0 {
                marks.hit(.pubrelResend)
                if settings.canary == .forgetsPubrel { return }
            }
            check(outbound.sendPubrel(packetID, on: shell.link, storedUpTo: storage.storedUpTo))
        case .pingreq: marks.hit(shell.isTicking ? .keepAlivePing : .ping)
        case .disconnect: marks.hit(.disconnect)
        }
        write(ControlPacket.maximumEncodedLength) { packet.encode(into: &$0) }
    }

    mutating func transmit() {
        guard mayFlow() else { return fail(.nothingSentOffline, "PUBLISH while offline") }
        let size = shell.submitting.size
        let index = volatile.accept(size: size)
        writePublish(.atMostOnce, 0, isDuplicate: false, Payloads.name(direction: 1, .atMostOnce, index), size: size)
    }

    mutating func sendPublish(_ serial: Serial, _ packetID: PacketID, isDuplicate: Bool) {
        if settings.canary == .swapsPublishes {
            if let (other, otherID, otherDuplicate) = shell.heldBack {
                shell.heldBack = nil
                emitPublish(serial, packetID, isDuplicate: isDuplicate)
                return emitPublish(other, otherID, isDuplicate: otherDuplicate)
            }
            if dice.chance(1, in: 50) { return shell.heldBack = (serial, packetID, isDuplicate) }
        }
        if settings.canary == .dropsResend, isDuplicate, dice.chance(1, in: 3) { return }
        let wrongID = settings.canary == .reusesIdentifier && dice.chance(1, in: 20) ? max(packetID - 1, PublishID.first) : packetID
        let forgets = settings.canary == .forgetsEarlierSending && !outbound[serial].isSentInThisRun
        emitPublish(serial, wrongID, isDuplicate: settings.canary == .forgetsDuplicateFlag || forgets ? false : isDuplicate)
    }

    private mutating func emitPublish(_ serial: Serial, _ packetID: PacketID, isDuplicate: Bool) {
        guard mayFlow() else { return fail(.nothingSentOffline, "PUBLISH while offline") }
        if outbound[serial].isInMemory == false { fail(.payloadIntact, "PUBLISH of \(serial), whose payload is not in memory") }
        check(
            outbound.send(
                serial, packetID, isDuplicate: isDuplicate, on: shell.link, storedUpTo: storage.storedUpTo,
                plan.configuration.limits))
        guard failure == nil else { return }
        // Its connection is gone by now, and with it every PUBACK that might come.
        if outbound.givenUp.remove(packetID) != nil { broker.setFree(packetID, of: World.clientID) }
        if isDuplicate { marks.hit(.resend) }
        if packetID == PublishID.first, serial > 0 { marks.hit(.identifierWrap) }
        let publish = outbound[serial]
        var index = outbound.index(serial)
        if settings.canary == .mixesPayloads, index > 0, dice.chance(1, in: 50) { index -= 1 }
        writePublish(
            publish.qos, packetID, isDuplicate: isDuplicate, Payloads.name(direction: 1, publish.qos, index), size: Int(publish.size))
    }

    private mutating func writePublish(_ qos: QoS, _ packetID: PacketID, isDuplicate: Bool, _ name: UInt64, size: Int) {
        if size > plan.readBuffer { marks.hit(.bigOut) }
        let head = OutboundPublish(topic: "up", qos: qos, retain: false, payloadLength: size)
        write(head.encodedLength) { head.encode(packetID: packetID, isDuplicate: isDuplicate, into: &$0) }
        Payloads.append(name, size: size, to: &shell.outbound)
    }

    mutating func sendSubscribe(_ ticket: Ticket, _ packetID: PacketID) {
        guard mayFlow(), case .subscribe(let subscriptions) = requests[ticket] else {
            return fail(.nothingSentOffline, "SUBSCRIBE while offline")
        }
        check(outbound.sendRequest(packetID))
        let subscribe = Subscribe(subscriptions)
        write(subscribe.encodedLength) { subscribe.encode(packetID: packetID, into: &$0) }
    }

    mutating func sendUnsubscribe(_ ticket: Ticket, _ packetID: PacketID) {
        guard mayFlow(), case .unsubscribe(let filters) = requests[ticket] else {
            return fail(.nothingSentOffline, "UNSUBSCRIBE while offline")
        }
        check(outbound.sendRequest(packetID))
        let unsubscribe = Unsubscribe(filters)
        write(unsubscribe.encodedLength) { unsubscribe.encode(packetID: packetID, into: &$0) }
    }
}
