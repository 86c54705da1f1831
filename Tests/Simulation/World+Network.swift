import MQTTCore
import MQTTTesting

/// Connections between client and broker, from the dial to the last byte.
extension World {
    func has(_ link: Link) -> Bool { link > 0 && Int(link) <= connections.count }

    // MARK: Dialing

    mutating func dial(_ link: Link) {
        guard shell.link == 0, link == shell.lastDialed + 1 else { return fail(.phases, "dial \(link) while \(shell.link) is open") }
        shell.link = link
        shell.lastDialed = link
        connections.append(Connection())
        let isFaulty = settings.faults.contains(.dials) && !isCalm
        if isFaulty, dice.chance(1, in: 10) {
            marks.hit(.dialTimedOut)
            return after(plan.connectTimeout, .dialTimedOut(link))
        }
        let isRefused = isFaulty && dice.chance(1, in: 8)
        after(1 + dice.below(plan.delay * 3), .dialAnswered(link, isOpen: !isRefused))
    }

    mutating func dialAnswered(_ link: Link, isOpen: Bool) {
        guard shell.link == link else { return }  // given up meanwhile
        guard isOpen else {
            marks.hit(.dialRefused)
            return step(.linkClosed(link))
        }
        shell.isOpen = true
        shell.isReading = true
        let faults = brokerFaults(link)
        broker.connectionOpened(.init(Int(link)), faults: faults, at: now)
        drainBroker()
        step(.linkOpened(link))
    }

    mutating func dialTimedOut(_ link: Link) {
        guard shell.link == link, !shell.isOpen else { return }
        step(.linkClosed(link))
    }

    // MARK: The client's side

    mutating func scheduleFlush() {
        guard !shell.isFlushing else { return }
        shell.isFlushing = true
        after(dice.below(50 * microsecond), .flush(shell.link))
    }

    /// The operating system takes what fits, and the session is told.
    mutating func flush(_ link: Link) {
        guard shell.link == link, shell.isOpen else { return }
        shell.isFlushing = false
        let index = Int(link) - 1
        let room = max(0, plan.capacity - connections[index].toBroker.count)
        let count = min(room, shell.outbound.count)
        if count > 0 {
            connections[index].toBroker.append(shell.outbound[..<count])
            shell.outbound.removeSubrange(..<count)
            move(link, \.toBroker, .arriveAtBroker(link))
        }
        let pending = shell.outbound.count
        if count > 0 { shell.lastPacketAt = now }
        if count > 0 || (pending > 0 && !shell.hasReportedBlocked) {
            shell.hasReportedBlocked = pending > 0
            if pending > 0 { marks.hit(.blockedWrite) }
            step(.written(pending: pending))
        }
        if shell.closesAfterFlush, shell.link == link, shell.outbound.isEmpty { finish(link) }
    }

    /// Everything is written after DISCONNECT: the connection is closed in order.
    private mutating func finish(_ link: Link) {
        connections[Int(link) - 1].isOpenAtClient = false
        connections[Int(link) - 1].toBroker.isEnding = true
        move(link, \.toBroker, .arriveAtBroker(link))
        step(.linkClosed(link))
    }

    mutating func hangUp(_ link: Link) {
        guard link == shell.lastDialed else { return fail(.phases, "hangUp of \(link)") }
        guard has(link), connections[Int(link) - 1].isOpenAtClient else { return }
        let index = Int(link) - 1
        connections[index].isOpenAtClient = false
        if shell.isOpen {
            // A reset may overtake what was sent.
            if dice.chance(1, in: 2) { connections[index].toBroker.truncate(to: dice.below(connections[index].toBroker.count + 1)) }
            connections[index].toBroker.isEnding = true
            move(link, \.toBroker, .arriveAtBroker(link))
        }
        linkLost()
        if dice.chance(1, in: 2) { after(dice.below(plan.delay), .reportClosed(link)) }
    }

    mutating func hangUpAfterFlush(_ link: Link) {
        guard shell.link == link else { return fail(.phases, "hangUpAfterFlush of \(link)") }
        shell.closesAfterFlush = true
        scheduleFlush()
        if settings.canary == .sendsBehindDisconnect { send(.pingreq) }
    }

    // MARK: Pipes

    /// Sees to it that what is in a pipe arrives.
    mutating func move(_ link: Link, _ pipe: WritableKeyPath<Connection, Pipe>, _ arrival: Action) {
        let index = Int(link) - 1
        guard !connections[index][keyPath: pipe].isMoving, !connections[index][keyPath: pipe].isStalled else { return }
        connections[index][keyPath: pipe].isMoving = true
        after(1 + dice.below(plan.delay), arrival)
    }

    mutating func resume(_ link: Link, _ pipe: WritableKeyPath<Connection, Pipe>, _ arrival: Action) {
        guard !connections[Int(link) - 1][keyPath: pipe].isBroken else { return }
        connections[Int(link) - 1][keyPath: pipe].isStalled = false
        move(link, pipe, arrival)
    }

    /// How much of `count` bytes arrives at once.
    private mutating func portion(_ count: Int) -> Int {
        guard settings.faults.contains(.splits), count > 1, dice.chance(1, in: 3) else { return count }
        return 1 + dice.below(count - 1)
    }

    mutating func arriveAtBroker(_ link: Link) {
        let index = Int(link) - 1
        connections[index].toBroker.isMoving = false
        guard !connections[index].toBroker.isStalled else { return }
        let count = connections[index].toBroker.count
        let bytes = connections[index].toBroker.take(portion(count))
        let isLost = connections[index].toBroker.isBroken || !connections[index].isOpenAtBroker
        if !bytes.isEmpty, !isLost {
            if connections[index].isClean, !connections[index].isAnswered { epoch += 1 }
            trace.note(now, .brokerReceives, UInt64(bytes.count), text: "broker gets \(bytes.count) bytes of \(link)")
            broker.received(bytes, from: .init(Int(link)), at: now)
            drainBroker()
        }
        if connections[index].toBroker.count > 0 {
            move(link, \.toBroker, .arriveAtBroker(link))
        } else if connections[index].toBroker.isEnding, !connections[index].toBroker.isBroken {
            after(dice.below(plan.delay), .closeAtBroker(link))
        }
        if shell.link == link, shell.isOpen, !shell.outbound.isEmpty, !connections[index].toBroker.isBroken { scheduleFlush() }
    }

    mutating func arriveAtClient(_ link: Link) {
        let index = Int(link) - 1
        connections[index].toClient.isMoving = false
        guard !connections[index].toClient.isStalled else { return }
        let isGone = shell.link != link || !shell.isOpen
        guard isGone || shell.isReading else { return }  // moves on when the client reads again
        let bytes = connections[index].toClient.take(portion(connections[index].toClient.count))
        if !bytes.isEmpty {
            broker.written(bytes.count, to: .init(Int(link)), at: now)
            drainBroker()
            if !isGone, !connections[index].toClient.isBroken { clientReceived(bytes) }
        }
        if connections[index].toClient.count > 0 {
            move(link, \.toClient, .arriveAtClient(link))
        } else if connections[index].toClient.isEnding, !connections[index].toClient.isBroken {
            after(dice.below(plan.delay), .closeAtClient(link))
        }
    }

    mutating func closeAtBroker(_ link: Link) {
        let index = Int(link) - 1
        guard connections[index].isOpenAtBroker else { return }
        connections[index].isOpenAtBroker = false
        trace.note(now, .brokerClosed, UInt64(link), text: "broker sees the end of \(link)")
        broker.connectionClosed(.init(Int(link)), at: now)
        if connections[index].isClean { epoch += 1 }
        drainBroker()
    }

    mutating func closeAtClient(_ link: Link) {
        guard has(link), connections[Int(link) - 1].isOpenAtClient else { return }
        connections[Int(link) - 1].isOpenAtClient = false
        guard shell.link == link else { return }
        if !shell.inbox.isEmpty || shell.stream != nil { marks.hit(.cutInsidePacket) }
        checkKeepAlive()
        step(.linkClosed(link))
        if shell.link == link, failure == nil, !shell.isEnded { fail(.phases, "the end of \(link) has no effect") }
    }
}
