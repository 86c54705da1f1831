import MQTTCore

/// What must hold from one process to the next. What was reported stored is there again, and what was reported ended is not,
/// as soon as that was on disk.
extension OutboundLedger {
    /// What the store had reported by then is binding.
    mutating func processEnded(storedUpTo: UInt64) {
        for index in publishes.indices where publishes[index].mayComeBack || publishes[index].outcome == .none {
            publishes[index].isReceptionSafe = publishes[index].receivedCommit != 0 && publishes[index].receivedCommit <= storedUpTo
            publishes[index].isEndSafe = publishes[index].removalCommit != 0 && publishes[index].removalCommit <= storedUpTo
            publishes[index].isLossSafe = publishes[index].publishCommit <= storedUpTo
        }
    }

    mutating func resume(_ found: FoundInStore) -> Finding? {
        owners = [:]
        isFresh = true
        for serial in found.unfinished where !publishes.indices.contains(index(serial)) {
            return (.storedSurvives, "the session goes on with \(serial), which there never was")
        }
        let indices = Set(found.unfinished.map(index))
        for index in publishes.indices {
            let finding = indices.contains(index) ? resume(index, isReceived: found.received.contains(publishes[index].serial)) : end(index)
            if let finding { return finding }
        }
        // Of some there is only the identifier left to be set free.
        for serial in found.received where publishes.indices.contains(index(serial)) {
            if self[serial].outcome == .none { continue }
            owners[PublishID.of(serial)] = serial
            self[serial].isAbandoned = true
        }
        return nil
    }

    private mutating func end(_ index: Int) -> Finding? {
        guard publishes[index].outcome == .none else {
            // It was not there once, and never will be.
            if !publishes[index].isUnreadable { publishes[index].mayComeBack = false }
            return nil
        }
        if publishes[index].isStored { return (.storedSurvives, "\(publishes[index].serial) was reported stored, and is gone") }
        publishes[index].outcome = .lost
        publishes[index].mayComeBack = false
        open -= 1
        return nil
    }

    private mutating func resume(_ index: Int, isReceived: Bool) -> Finding? {
        let publish = publishes[index]
        if publish.outcome != .none {
            guard publish.mayComeBack, !publish.isEndSafe || publish.outcome == .acknowledged else {
                return (.storedSurvives, "\(publish.serial) is there again after its end: \(publish.outcome)")
            }
            if publish.outcome == .acknowledged, publish.qos == .exactlyOnce, !isReceived {
                return (.exactlyOnce, "\(publish.serial) is complete, and a publish again")
            }
            publishes[index].outcome = .none
            publishes[index].isBack = true
            open += 1
        }
        if publish.isReceptionSafe, publish.isReceived, !isReceived {
            return (.storedSurvives, "PUBREC of \(publish.serial) was stored, and is gone")
        }
        if publish.isLossSafe, !publish.isReceived, publish.outcome == .none, isReceived {
            return (.storedSurvives, "PUBREC of \(publish.serial) is back after its session was lost")
        }
        // Of a commit that did not end, any part may be there, in any order.
        if isReceived, !publish.isReceptionSafe { publishes[index].isOrderKnown = false }
        publishes[index].resume(isReceived: isReceived)
        if isReceived { owners[PublishID.of(publish.serial)] = publish.serial }
        return nil
    }
}

extension OutboundLedger.Publish {
    fileprivate mutating func resume(isReceived: Bool) {
        self.isReceived = isReceived
        isStored = true
        isResumed = true
        isInMemory = false
        isSentInThisRun = false
        isAcknowledged = false
        isAbandoned = false
        isUnreadable = false
        mayComeBack = true
        // After a restart DUP is set, whether it was sent or not.
        startsAnew = false
        releasedOn = 0
        publishCommit = 0
        receivedCommit = 0
        removalCommit = 0
    }
}

extension InboundLedger {
    mutating func processEnded(storedUpTo: UInt64) {
        if forgottenCommit <= storedUpTo { forgotten = [:] }
        for (packetID, message) in known {
            let commit = received[message].commit
            // Its predecessor's record, in a session that was lost, may still be there in place of its own.
            guard let old = forgotten[packetID], commit == 0 || commit > storedUpTo, !received[message].isRestored else { continue }
            known[packetID] = old
            if origins[received[message].origin].handedOver > 0 { origins[received[message].origin].forgiven += 1 }
        }
    }

    mutating func resume(_ found: FoundInStore) -> (Invariant, String)? {
        for (packetID, message) in known {
            if found.inbound.contains(packetID) {
                received[message].isReleased = true
                received[message].isRestored = true
                continue
            }
            known[packetID] = nil
            // The session that it belonged to is lost, or its exchange was at its end.
            if removals[packetID] != nil || forgotten[packetID] == message { continue }
            if received[message].isConfirmed {
                return (.exactlyOnce, "PUBREC \(packetID) went out, and the next process knows nothing of it")
            }
            // Nobody knows how far the application got with it.
            if origins[received[message].origin].handedOver > 0 { origins[received[message].origin].forgiven += 1 }
        }
        for packetID in found.inbound where known[packetID] == nil {
            guard let old = forgotten[packetID] else {
                return (.storedSurvives, "identifier \(packetID) is known again after its exchange")
            }
            known[packetID] = old
            received[old].isReleased = true
            received[old].isRestored = true
        }
        forgotten = [:]
        removals.removeAll()
        return nil
    }
}

extension RequestLedger {
    /// Nobody waits for them any more.
    mutating func processEnded() {
        for index in ends.indices where ends[index] == nil { ends[index] = .closed }
        open = 0
    }
}
