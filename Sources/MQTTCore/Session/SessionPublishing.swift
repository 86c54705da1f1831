/// How the session's publishes go through its flows and its store, in both directions.
extension Session {
    mutating func publish(_ qos: QoS, queuedBytes: Int, into effects: inout Effects) {
        switch phase {
        case .leaving, .ended: return effects.append(.refused(.closed))
        case .idle, .connecting, .handshaking, .waiting:
            // QoS 0 is never stored: without a connection there is nowhere to go.
            if qos == .atMostOnce { return effects.append(.refused(.down)) }
        case .online:
            if qos == .atMostOnce { return effects.append(.transmit) }
        }
        if let refusal = outbound.refusal(qos, queuedBytes: queuedBytes, configuration.limits) { return effects.append(.refused(refusal)) }
        let serial = outbound.accept(qos, queuedBytes: queuedBytes, isStored: !configuration.isDurable)
        effects.append(.accepted(serial))
        if configuration.isDurable { commits.store(.publish(serial), into: &effects) }
        pump(into: &effects)
    }

    mutating func withdraw(_ serial: Serial, into effects: inout Effects) {
        guard phase != .ended, outbound.withdraw(serial) else { return }
        finish(serial, .withdrawn, into: &effects)
    }

    mutating func abandon(_ serial: Serial, into effects: inout Effects) {
        guard phase != .ended else { return }
        switch outbound.abandon(serial, isDurable: configuration.isDurable) {
        case .refused: break
        case .complete: finish(serial, .withdrawn, into: &effects)
        case .released:
            effects.append(.completed(serial, .withdrawn))
            if configuration.isDurable { commits.store(.received(serial), into: &effects) }
        }
    }

    mutating func pubcomp(_ packetID: PacketID, into effects: inout Effects) {
        switch outbound.pubcomp(packetID) {
        case .ignored: break
        case .complete(let serial): complete(serial, into: &effects)
        case .forget(let serial): forget(serial, into: &effects)
        }
    }

    mutating func complete(_ serial: Serial?, into effects: inout Effects) {
        // An acknowledgement that nothing waits for is ignored.
        guard let serial else { return }
        finish(serial, .acknowledged(.success), into: &effects)
    }

    private mutating func finish(_ serial: Serial, _ completion: Completion, into effects: inout Effects) {
        effects.append(.completed(serial, completion))
        forget(serial, into: &effects)
    }

    private mutating func forget(_ serial: Serial, into effects: inout Effects) {
        if configuration.isDurable { commits.store(.removePublish(serial), into: &effects) }
        pump(into: &effects)
    }

    mutating func pubrec(_ packetID: PacketID, into effects: inout Effects) {
        switch outbound.pubrec(packetID, isDurable: configuration.isDurable) {
        case .ignored: break
        case .store(let serial): commits.store(.received(serial), into: &effects)
        case .release: effects.append(.send(.pubrel(packetID)))
        }
    }

    /// After the end, and after DISCONNECT, nothing is acknowledged: the broker delivers again.
    mutating func release(_ receipt: Receipt, into effects: inout Effects) {
        switch phase {
        case .leaving, .ended: return
        case .idle, .connecting, .handshaking, .online, .waiting: break
        }
        inbound.release(receipt, commits: &commits, into: &effects)
    }

    mutating func payloadCompleted(into effects: inout Effects) {
        guard case .online = phase else { return }
        inbound.payloadCompleted(commits: &commits, into: &effects)
    }

    mutating func stored(upTo number: UInt64, into effects: inout Effects) {
        let isOnline = if case .online = phase { true } else { false }
        while let commit = commits.next(storedUpTo: number) {
            switch commit.record {
            case .publish(let serial), .notReceived(let serial): outbound.stored(serial)
            case .received(let serial):
                if outbound.receivedStored(serial), isOnline { effects.append(.send(.pubrel(PublishID.of(serial)))) }
            case .inbound(let packetID):
                inbound.inboundStored(packetID, by: commit.number, isOnline: isOnline, commits: &commits, into: &effects)
            case .removeInbound(let packetID):
                if inbound.removalStored(packetID), isOnline { effects.append(.send(.pubcomp(packetID))) }
            case .removePublish, .removeAllInbound: break
            }
        }
        pump(into: &effects)
    }
}
