package import DiskSimulation
import MQTTCore
import MQTTPersistence

/// How a process comes to its end.
package enum CrashKind: Sendable, Hashable {
    /// It is killed: what it wrote is in the hands of the operating system.
    case kill
    /// So is the machine: what was not synced is lost as far as that.
    case powerCut(SimulatedDisk.Crash)

    package static let all: [CrashKind] = [.kill] + SimulatedDisk.Crash.allCases.map { .powerCut($0) }
}

/// When it does.
package struct CrashPoint: Sendable, Hashable {
    package enum Moment: Sendable, Hashable {
        /// After so many changing operations on the disk.
        case write(Int)
        /// After so many effects were carried out.
        case effect(Int)
    }

    package var kind: CrashKind
    package var moment: Moment

    package init(_ kind: CrashKind, _ moment: Moment) {
        self.kind = kind
        self.moment = moment
    }
}

/// The end of the client's process at any moment, and the next one, which goes on with what is on disk.
extension World {
    // MARK: The moment

    /// A fault: now, at one of the next effects, or at one of the next writes.
    mutating func planCrash() {
        let kind = dice.chance(1, in: 3) ? .kill : CrashKind.powerCut(dice.pick([.nothing, .everything, .anySectors, .anySectors]))
        switch dice.below(3) {
        case 0: crash(kind)
        case 1: plannedCrash = CrashPoint(kind, .effect(effectCount + dice.within(1...12)))
        default: plan(CrashPoint(kind, .write(storage.disk.operations + dice.within(1...10))))
        }
    }

    mutating func plan(_ point: CrashPoint) {
        plannedCrash = point
        if case .write(let operations) = point.moment { storage.disk.set(diskFaults(stopAfter: operations)) }
    }

    func diskFaults(stopAfter: Int? = nil) -> SimulatedDisk.Faults {
        SimulatedDisk.Faults(stopAfter: stopAfter, ignoresSync: settings.canary == .skipsSync)
    }

    mutating func carriedOut() {
        effectCount += 1
        if let planned = plannedCrash, planned.moment == .effect(effectCount) { crash(planned.kind) }
    }

    /// The disk has stopped in the middle of what the store's thread wrote.
    mutating func crashAtWrite() { crash(plannedCrash?.kind ?? .kill) }

    // MARK: The end

    mutating func crash(_ kind: CrashKind) {
        guard failure == nil, !shell.isDown, !shell.isEnded else { return }
        // What a failed sync left with the operating system looks like a file to the next process, and may not be one: Format.md.
        let kind = kind == .kill && storage.failures > 0 ? .powerCut(.nothing) : kind
        marks.hit(kind == .kill ? .kill : .powerCut)
        trace.note(now, .fault, text: "--- the process ends: \(kind)")
        dropConnection(kind)
        linkLost()
        application = Application(plan)
        requests.processEnded()
        outbound.processEnded(storedUpTo: storage.storedUpTo)
        inbound.processEnded(storedUpTo: storage.storedUpTo)
        plannedCrash = nil
        storage.end()
        settleDisk(kind)
        process += 1
        shell = Shell(shell.session, lastDialed: shell.lastDialed)
        shell.isDown = true
        after(dice.below(dice.pick([10 * millisecond, second, 30 * second])), .restart(process: process))
    }

    /// What the crash leaves on the disk.
    private mutating func settleDisk(_ kind: CrashKind) {
        if case .powerCut(let crash) = kind {
            var random = SeededGenerator(seed: dice.bits())
            storage.disk = storage.disk.crashed(crash, &random)
        }
        storage.disk.set(diskFaults())
    }

    private mutating func dropConnection(_ kind: CrashKind) {
        let link = shell.link
        guard link != 0, connections[Int(link) - 1].isOpenAtClient else { return }
        let index = Int(link) - 1
        connections[index].isOpenAtClient = false
        guard shell.isOpen else { return }
        // A machine without power says nothing.
        if kind != .kill, dice.chance(1, in: 2) {
            connections[index].toBroker.isBroken = true
            connections[index].toBroker.isStalled = true
        } else {
            if dice.chance(1, in: 2) { connections[index].toBroker.truncate(to: dice.below(connections[index].toBroker.count + 1)) }
            connections[index].toBroker.isEnding = true
            move(link, \.toBroker, .arriveAtBroker(link))
        }
    }

    // MARK: The next process

    mutating func restart(_ process: Int) {
        guard process == self.process, shell.isDown, failure == nil else { return }
        // The machine may stop again while the store is being opened.
        let stopsAgain = settings.faults.contains(.crashes) && !isCalm && dice.chance(1, in: 5)
        if stopsAgain { storage.disk.set(diskFaults(stopAfter: storage.disk.operations + dice.within(1...5))) }
        guard let contents = openStore(.resume) else {
            guard stopsAgain else { return }
            marks.hit(.crashWhileOpening)
            storage.end()
            settleDisk(.powerCut(dice.pick([.nothing, .everything, .anySectors])))
            self.process += 1
            return after(second, .restart(process: self.process))
        }
        storage.disk.set(diskFaults())
        if dice.chance(1, in: 6), settings.faults.contains(.clocks) {
            wallClockIsSteady = false
            wallClockOffset += Int64(dice.within(-100_000...100_000))
        }
        resume(contents)
        step(.start)
    }

    /// Nil when it failed, which only a crash excuses.
    mutating func openStore(_ use: StoreUse) -> StoreContents? {
        let store = storage.makeStore()
        do {
            let contents = try store.open(for: World.clientID, use)
            storage.store = store
            return contents
        } catch {
            if !storage.disk.hasStopped { fail(.storedSurvives, "the store cannot be opened: \(error)") }
            return nil
        }
    }

    private mutating func resume(_ contents: StoreContents) {
        var configuration = Shell.configuration(plan, settings)
        configuration.cleanSession = false
        var session = Session(configuration, seed: dice.bits(), firstSerial: Serial(dice.below(PublishID.count)))
        let resumed = World.forgetful(contents, settings.canary)
        _ = session.resume(from: resumed, at: Instant(nanoseconds: now), wallClock: wallClock)
        let unfinished = session.unfinished(in: 0..<session.outboundEnd, upTo: .max).map(\.serial)
        trace.note(now, .phase, UInt64(unfinished.count), text: "--- the next process goes on with \(World.brief(unfinished))")
        for damage in contents.damage { trace.comment(now, "    damage: \(damage)") }
        if contents.damage.contains(where: { $0.description.contains("cut off by a crash") }) { marks.hit(.tornTail) }
        storage.knownDamage = Set(contents.damage.map(Storage.place))
        if !unfinished.isEmpty { marks.hit(.resumed) }
        shell = Shell(session, lastDialed: shell.lastDialed)
        var found = FoundInStore(unfinished: unfinished)
        for entry in contents {
            switch entry.key {
            case .received(let serial): found.received.insert(serial)
            case .inbound(let packetID): found.inbound.insert(packetID)
            case .client, .publish: break
            }
        }
        for damage in contents.damage {
            guard case .publish(let serial) = damage.key else { continue }
            if unfinished.contains(serial) { fail(.storedSurvives, "\(serial) is said to be lost, and is there") }
            found.received.insert(serial)
        }
        check(outbound.resume(found))
        check(inbound.resume(found))
    }

    private static func brief(_ serials: [Serial]) -> String {
        serials.count > 6 ? "\(serials.prefix(3))...\(serials.suffix(2)), \(serials.count)" : "\(serials)"
    }

    /// What some canaries make of a store.
    private static func forgetful(_ contents: StoreContents, _ canary: Canary?) -> StoreContents {
        var changed = StoreContents()
        changed.damage = contents.damage
        for entry in contents {
            var entry = entry
            switch entry.key {
            case .inbound: if canary == .forgetsInbound { continue }
            case .received: if canary == .forgetsReceived { continue }
            case .publish(let serial): if canary == .forgetsSerials { entry.key = .publish(serial + 1) }
            case .client: break
            }
            changed.append(entry)
        }
        return changed
    }

    /// When everything is done, nothing is left in the store that another process would do again.
    mutating func checkStoreIsEmpty() {
        guard plan.configuration.isDurable, failure == nil else { return }
        storage.end()
        process += 1
        guard let contents = openStore(.resume) else { return }
        for entry in contents {
            switch entry.key {
            case .publish(let serial):
                // What could not be read may be there another day.
                if !outbound[serial].isUnreadable { fail(.storedSurvives, "publish \(serial) is complete, and still in the store") }
            case .received(let serial): fail(.storedSurvives, "PUBREC of \(serial) is still in the store")
            case .inbound(let packetID):
                if !inbound.isKnown(packetID) { fail(.storedSurvives, "identifier \(packetID) is still in the store") }
            case .client: break
            }
        }
        // What a crash has cut off is reported, and told again until its segment is copied away. Nothing else may be damaged.
        for damage in contents.damage where !storage.knownDamage.contains(Storage.place(of: damage)) {
            fail(.storedSurvives, "the store is damaged: \(damage)")
        }
        if !contents.damage.isEmpty, failure == nil { checkDamageGoes(contents) }
    }

    /// Each commit copies more of what is old: damage is not reported for ever, and what there is stays as it is.
    private mutating func checkDamageGoes(_ contents: StoreContents) {
        guard let store = storage.store else { return }
        do {
            for _ in 0...storage.disk.files.count {
                try store.commit([.put(.client, head: Array(World.clientID.utf8))])
            }
            store.close()
            let later = try store.open()
            if let damage = later.damage.first { fail(.storedSurvives, "damage stays for ever: \(damage)") }
            if Array(later) != Array(contents) { fail(.storedSurvives, "the store is another after its damage was copied away") }
        } catch {
            fail(.storedSurvives, "a damaged store cannot be written: \(error)")
        }
    }
}

/// What the next process finds.
struct FoundInStore {
    /// Publishes that the session goes on with, in order.
    var unfinished: [Serial]
    var received: Set<Serial> = []
    var inbound: Set<PacketID> = []
}

/// A disk that is full for a while, or fails at some of the next writes.
extension World {
    mutating func failDisk() {
        guard !shell.isDown, plannedCrash == nil else { return }
        var faults = diskFaults()
        if dice.chance(1, in: 2) {
            marks.hit(.diskFull)
            faults.capacity = storage.disk.totalSize + dice.below(400)
        } else {
            let next = storage.disk.operations + 1
            faults.failing = Set((0..<dice.within(1...4)).map { _ in next + dice.below(12) })
        }
        storage.disk.set(faults)
        after(dice.below(dice.pick([100 * millisecond, 5 * second])), .healDisk(process: process))
    }
}
