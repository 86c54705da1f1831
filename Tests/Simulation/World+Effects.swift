import MQTTCore

/// What a driver does for a session, effect by effect.
extension World {
    mutating func carryOut(_ effect: Effect) {
        trace.comment(now, "    -> \(effect)")
        if shell.isEnded, !isAllowedAfterEnd(effect) { return fail(.phases, "\(effect) after the end") }
        switch effect {
        case .dial(let link): dial(link)
        case .sendConnect(let clean): sendConnect(clean: clean)
        case .send(let packet): send(packet)
        case .transmit: transmit()
        case .sendPublish(let serial, let packetID, let isDuplicate): sendPublish(serial, packetID, isDuplicate: isDuplicate)
        case .sendSubscribe(let ticket, let packetID): sendSubscribe(ticket, packetID)
        case .sendUnsubscribe(let ticket, let packetID): sendUnsubscribe(ticket, packetID)
        case .hangUp(let link): hangUp(link)
        case .hangUpAfterFlush(let link): hangUpAfterFlush(link)
        case .accepted(let serial): check(outbound.accept(serial, shell.submitting.qos, size: shell.submitting.size, at: now))
        case .refused:
            shell.wasRefused = true
            marks.hit(.refusedPublish)
        case .completed(let serial, let completion): completed(serial, completion)
        case .sessionLost(let serial):
            if outbound[serial].isReceived { marks.hit(.sessionLossAfterPubrec) }
            if settings.canary != .hidesSessionLoss {
                outbound.sessionLost(serial, on: shell.link, isDurable: plan.configuration.isDurable)
            }
        case .resolved(let ticket, let resolution): resolved(ticket, resolution)
        case .deliver(let receipt): deliver(receipt)
        case .discard: discard()
        case .online(let sessionPresent): online(sessionPresent: sessionPresent)
        case .offline(let loss): offline(loss)
        case .attemptFailed(let loss):
            if shell.saidOnline { fail(.phases, "attemptFailed while online") }
            note(loss)
            linkLost()
        case .ended:
            shell.isEnded = true
            shell.saidOnline = false
            if shell.link != 0 { linkLost() }
        case .store(let record, let number): store(record, number)
        case .stored(let serial): outbound[serial].isStored = true
        case .unload(let serial): unload(serial)
        case .load(let serial): load(serial)
        }
    }

    private func isAllowedAfterEnd(_ effect: Effect) -> Bool {
        switch effect {
        case .refused(.closed), .resolved(_, .closed): true
        default: false
        }
    }

    private mutating func completed(_ serial: Serial, _ completion: Completion) {
        switch completion {
        case .acknowledged: break
        case .withdrawn:
            marks.hit(.withdrawn)
            if plan.configuration.isDurable, outbound[serial].isStored, outbound[serial].sent == 0 {
                marks.hit(.withdrawnBetweenStoredAndSent)
            }
        case .evicted(let perhapsSent):
            marks.hit(.evicted)
            if !shell.isEvicting { fail(.oneOutcome, "\(serial) is evicted, and nobody asked for that") }
            check(outbound.isDroppable(serial, perhapsSent: perhapsSent))
        case .expired(let perhapsSent):
            marks.hit(.expired)
            check(outbound.isDroppable(serial, perhapsSent: perhapsSent))
            check(outbound.isExpired(serial, plan.configuration.limits.queuedAge, at: now, isSteady: wallClockIsSteady))
        case .notStored: marks.hit(.notStored)
        case .unreadable: marks.hit(.unreadable)
        }
        check(outbound.complete(serial, completion, on: shell.isOnline ? shell.link : 0))
    }

    private mutating func resolved(_ ticket: Ticket, _ resolution: Resolution) {
        switch resolution {
        case .canceled: marks.hit(.canceled)
        case .abandoned: marks.hit(.abandoned)
        case .connectionLost: if settings.canary == .losesResolution { return }
        case .answered, .closed, .down, .tooManyRequests, .done: break
        }
        check(requests.resolve(ticket, resolution))
        subscriptionEnded(ticket, resolution)
    }

    private mutating func deliver(_ receipt: Receipt) {
        guard let receiving = shell.receiving, !receiving.isSettled else { return fail(.phases, "deliver without a PUBLISH") }
        shell.receiving?.isSettled = true
        if (receipt == 0) != (receiving.qos == .atMostOnce) { fail(.phases, "receipt \(receipt) at QoS \(receiving.qos)") }
        let (message, finding) = inbound.deliver(
            .init(
                receipt: receipt, origin: receiving.origin, packetID: receiving.packetID, qos: receiving.qos, link: shell.link,
                isWhole: receiving.isWhole))
        check(finding)
        shell.receiving?.message = message
        if settings.canary == .dropsReceived, receipt > 0, dice.chance(1, in: 20) {
            inbound[message].isReleased = true
            return shell.followUps.append(.release(receipt))
        }
        if settings.canary == .acknowledgesEarly, receipt > 0 { shell.followUps.append(.release(receipt)) }
        enqueue(message)
    }

    private mutating func discard() {
        guard let receiving = shell.receiving, !receiving.isSettled else { return fail(.phases, "discard without a PUBLISH") }
        shell.receiving?.isSettled = true
        marks.hit(.duplicateInbound)
        check(inbound.discard(receiving.packetID, origin: receiving.origin, qos: receiving.qos))
        if settings.canary == .deliversRepetition { check(inbound.repeatHandOver(of: receiving.origin)) }
    }

    // MARK: Online and offline

    private mutating func online(sessionPresent: Bool) {
        if shell.saidOnline { fail(.phases, "online twice") }
        shell.isOnline = true
        shell.saidOnline = true
        // A client that waits for CONNACK sends nothing, however long that takes.
        shell.lastPacketAt = now
        if outbound.publishes.contains(where: { $0.sent > 0 }) { marks.hit(.reconnect) }
        if sessionPresent {
            // What was not handed over at QoS 1 comes again.
            application.dropUnread(inbound)
        } else {
            marks.hit(.sessionLoss)
            inbound.forget()
            outbound.forget()
            shell.isLossDue = true
            application.needsSubscription = true
        }
        if isCalm, application.needsSubscription { after(0, .application) }
        if application.isFull { stopReading() }
    }

    private mutating func offline(_ loss: LinkLoss) {
        if !shell.saidOnline { fail(.phases, "offline while it is") }
        shell.saidOnline = false
        note(loss)
        linkLost()
        if isCalm, application.calmLosses > 0 { fail(.liveness, "a healthy connection is given up: \(loss)") }
        if isCalm { application.calmLosses += 1 }
    }

    private mutating func note(_ loss: LinkLoss) {
        switch loss {
        case .silent: marks.hit(.silence)
        case .refused: marks.hit(.refusal)
        case .violation(let violation):
            let isGarbled = connections[Int(shell.lastDialed) - 1].isGarbled
            if !isGarbled { fail(.decodes, "the broker's bytes are taken for a violation: \(violation)") }
        case .closed, .givenUp, .local: break
        }
    }

    /// The driver's part of losing a connection, whoever lost it.
    mutating func linkLost() {
        if storage.issued > storage.storedUpTo { marks.hit(.linkLostWhileStoring) }
        if let message = shell.stream?.message {
            marks.hit(.streamedInCut)
            inbound.breakOff(message)
            brokeOff(message)
        }
        outbound.linkLost()
        inbound.linkLost()
        let stale = settings.canary == .keepsStaleBytes ? shell.outbound : []
        shell.forgetLink()
        shell.outbound = stale
    }
}
