/// How the session's publishes go through its flows and its store, in both directions.
extension Session {
    mutating func publish(_ qos: QoS, queuedBytes: Int, at now: Instant, into effects: inout Effects) {
        switch phase {
        case .leaving, .ended: return effects.append(.refused(.closed))
        case .idle, .connecting, .handshaking, .waiting:
            // QoS 0 is never stored: without a connection there is nowhere to go.
            if qos == .atMostOnce { return effects.append(.refused(.down)) }
        case .online:
            if qos == .atMostOnce { return effects.append(.transmit) }
        }
        if let refusal = outbound.refusal(qos, queuedBytes: queuedBytes, configuration.limits) {
            // Nothing makes room for what would not be stored then.
            return effects.append(.refused(storeIsFailing && refusal == .tooManyRequests ? .notStored : refusal))
        }
        if storeIsFailing { return effects.append(.refused(.notStored)) }
        let serial = outbound.accept(qos, queuedBytes: queuedBytes, isStored: !configuration.isDurable, at: now)
        effects.append(.accepted(serial))
        if configuration.isDurable { commits.store(.publish(serial), into: &effects) }
        pump(into: &effects)
    }

    mutating func withdraw(_ serial: Serial, into effects: inout Effects) {
        guard phase != .ended, outbound.withdraw(serial) else { return }
        drop(serial, .complete, .withdrawn, into: &effects)
        pump(into: &effects)
    }

    /// Nothing may follow a publish that is given up on the link that has it, or a part of it: its identifier may be another's by now,
    /// and PUBREL would go out ahead of its turn [MQTT-4.6.0-4].
    mutating func abandon(_ serial: Serial, at now: Instant, into effects: inout Effects) {
        guard phase != .ended else { return }
        let isOnTheWire = outbound.isOnTheWire(serial)
        let outcome = outbound.abandon(serial, isDurable: configuration.isDurable)
        drop(serial, outcome, .withdrawn, into: &effects)
        if outcome != .refused, isOnTheWire, case .online = phase { return fail(.givenUp, at: now, into: &effects) }
        pump(into: &effects)
    }

    mutating func evict(_ serial: Serial?, into effects: inout Effects) {
        guard phase != .ended, let serial else { return }
        let completion = Completion.evicted(perhapsSent: serial < outbound.perhapsSentEnd)
        guard let outcome = outbound.evict(serial, isDurable: configuration.isDurable) else { return }
        drop(serial, outcome, completion, into: &effects)
        pump(into: &effects)
    }

    /// Drops what has waited for too long.
    mutating func expire(at now: Instant, into effects: inout Effects) {
        guard phase != .ended, let age = configuration.limits.queuedAge?.nanoseconds else { return }
        repeat {
            while let serial = outbound.expired(age, at: now) {
                let completion = Completion.expired(perhapsSent: serial < outbound.perhapsSentEnd)
                drop(serial, outbound.abandon(serial, isDurable: configuration.isDurable), completion, into: &effects)
            }
            pump(into: &effects)
            // What went out now may have hidden one that is older: a clock that was set back lies between them, or one that had to wait.
        } while outbound.expired(age, at: now) != nil
    }

    /// Tells the end of a publish that was not delivered, and brings its end to the store.
    private mutating func drop(
        _ serial: Serial, _ outcome: OutboundFlow.AbandonOutcome, _ completion: Completion, into effects: inout Effects
    ) {
        if outcome == .refused { return }
        effects.append(.completed(serial, completion))
        guard configuration.isDurable else { return }
        // What ends here must not begin again after a crash.
        commits.store(outcome == .complete ? .removePublish(serial, isLazy: false) : .givenUp(serial), into: &effects)
    }

    // MARK: The broker

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
        if configuration.isDurable { commits.store(.removePublish(serial, isLazy: true), into: &effects) }
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

    // MARK: The store

    mutating func stored(upTo number: UInt64, into effects: inout Effects) {
        guard phase != .ended else { return }
        let isOnline = if case .online = phase { true } else { false }
        var unloads: [Serial] = []
        storeIsFailing = false
        while let commit = commits.next(storedUpTo: number) {
            switch commit.record {
            case .publish(let serial):
                guard let isToUnload = outbound.stored(serial) else { break }
                effects.append(.stored(serial))
                if isToUnload { unloads.append(serial) }
            case .notReceived(let serial): _ = outbound.stored(serial)
            case .received(let serial), .givenUp(let serial):
                if outbound.receivedStored(serial), isOnline { effects.append(.send(.pubrel(PublishID.of(serial)))) }
            case .inbound(let packetID):
                inbound.inboundStored(packetID, by: commit.number, isOnline: isOnline, commits: &commits, into: &effects)
            case .removeInbound(let packetID):
                if inbound.removalStored(packetID), isOnline { effects.append(.send(.pubcomp(packetID))) }
            case .removePublish, .removeAllInbound: break
            }
        }
        pump(into: &effects)
        for serial in unloads where outbound.unload(serial) { effects.append(.unload(serial)) }
    }

    /// What is not on disk yet is not accepted any more, and is removed again in case that part of it is there. New publishes are
    /// refused until something was stored. Everything else waits.
    mutating func storeFailed(into effects: inout Effects) {
        guard phase != .ended else { return }
        storeIsFailing = true
        for serial in commits.publishes where outbound.takeBack(serial) { drop(serial, .complete, .notStored, into: &effects) }
    }

    /// Its record stays in the store: what cannot be read today may be there at the next start.
    mutating func unreadable(_ serial: Serial, into effects: inout Effects) {
        guard phase != .ended else { return }
        let perhapsSent = serial < outbound.perhapsSentEnd
        switch outbound.abandon(serial, isDurable: configuration.isDurable) {
        case .refused: return
        case .complete: break
        case .released: commits.store(.givenUp(serial), into: &effects)
        }
        effects.append(.completed(serial, .unreadable(perhapsSent: perhapsSent)))
        pump(into: &effects)
    }
}
