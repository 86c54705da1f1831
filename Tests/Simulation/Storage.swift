package import DiskSimulation
import MQTTCore
package import MQTTPersistence

/// Which of the stores a world has.
package enum StoreKind: Sendable {
    case journal(segmentLimit: Int)
    case directory

    package func makeStore(on disk: SimulatedDisk) -> any SessionStore {
        switch self {
        case .journal(let segmentLimit): JournalSessionStore(at: "store", files: disk, segmentLimit: segmentLimit)
        case .directory: DirectorySessionStore(at: "store", files: disk)
        }
    }
}

/// The store of a durable session on its simulated disk, and what goes there and back, as the driver and the store's thread have it.
struct Storage: Sendable {
    let kind: StoreKind
    var disk = SimulatedDisk()
    /// Nil while there is no process.
    var store: (any SessionStore)?
    /// What the last process was told about its store.
    var knownDamage: Set<String> = []

    /// Not handed to the store yet.
    var waiting: [StoreChange] = []
    /// With the store, or to be tried again.
    var writing: [StoreChange] = []
    /// In a row.
    var failures = 0
    var isFlushPlanned = false
    var loads: [Serial] = []

    // MARK: Numbers of commits
    var issued: UInt64 = 0
    /// Under way up to here; equal to `storedUpTo` when nothing is.
    var writingUpTo: UInt64 = 0
    var storedUpTo: UInt64 = 0
    var isBusy = false

    init(_ kind: StoreKind) { self.kind = kind }

    /// Nothing is to be said to the session any more: payloads of publishes that have ended meanwhile are still read.
    var isIdle: Bool { issued == storedUpTo && loads.isEmpty }

    func makeStore() -> any SessionStore { kind.makeStore(on: disk) }

    /// What is on its way to the disk is gone with the process; the disk stays.
    mutating func end() {
        let (disk, damage) = (disk, knownDamage)
        self = Storage(kind)
        (self.disk, knownDamage) = (disk, damage)
    }

    /// Where in the files it is. What is said about it changes with what is written later.
    static func place(of damage: StoreDamage) -> String {
        let words = damage.description.split(separator: " ").drop { !$0.hasPrefix("store/") }
        return words.prefix { $0 != "is" && $0 != "are" }.joined(separator: " ")
    }
}

/// The driver's part: EngineStore.swift and StoreLink.swift, and of the store's thread StoreWriter.swift.
extension World {
    static let laziness = second

    mutating func store(_ record: StoreRecord, _ number: UInt64) {
        if number != storage.issued + 1 { fail(.storedBeforeSent, "commit \(number) behind \(storage.issued)") }
        storage.issued = number
        storage.waiting.append(change(record))
        switch record {
        case .publish(let serial), .notReceived(let serial): outbound[serial].publishCommit = number
        case .received(let serial): outbound[serial].receivedCommit = number
        case .givenUp(let serial):
            outbound[serial].receivedCommit = number
            outbound[serial].removalCommit = number
        case .removePublish(let serial, _): outbound[serial].removalCommit = number
        case .inbound(let packetID): inbound.storeInbound(packetID, commit: number)
        case .removeInbound(let packetID): inbound.storeRemoval(packetID, commit: number)
        case .removeAllInbound: inbound.forgottenCommit = number
        }
        if !storage.isBusy { beginCommit() }
        if settings.canary == .reportsStoredEarly, dice.chance(1, in: 20) { shell.followUps.append(.stored(upTo: number)) }
        if settings.canary == .releasesBeforeStored, case .received(let serial) = record { send(.pubrel(PublishID.of(serial))) }
        if settings.canary == .completesBeforeRemoved, case .removeInbound(let packetID) = record { send(.pubcomp(packetID)) }
    }

    private func change(_ record: StoreRecord) -> StoreChange {
        switch record {
        case .publish(let serial):
            let publish = outbound[serial]
            let head = StoredPublishHead(topic: "up", qos: publish.qos, retain: false, correlationKey: nil, acceptedAt: wallClock)
            var body: [UInt8] = []
            Payloads.append(
                Payloads.name(direction: 1, publish.qos, outbound.index(serial)), size: Int(publish.size), to: &body)
            return .put(.publish(serial), head: head.bytes, body: body)
        case .received(let serial): return .put(.received(serial))
        case .givenUp(let serial): return .giveUp(serial)
        case .notReceived(let serial): return .delete(.received(serial))
        case .removePublish(let serial, let isLazy): return .delete(.publish(serial), lazily: isLazy)
        case .inbound(let packetID): return .put(.inbound(packetID))
        case .removeInbound(let packetID): return .delete(.inbound(packetID))
        case .removeAllInbound: return .deleteAllInbound
        }
    }

    // MARK: Commits

    private mutating func beginCommit() {
        storage.isBusy = true
        takeWaiting()
        after(plan.commitTime == 0 ? 0 : dice.below(plan.commitTime * 2), .commit(process: process))
    }

    private mutating func takeWaiting() {
        storage.writing += storage.waiting
        storage.waiting = []
        storage.writingUpTo = storage.issued
    }

    /// Everything that was issued when the commit began goes to disk; what came since goes into the next.
    mutating func commit(of process: Int) {
        guard process == self.process, let store = storage.store else { return }
        // What was issued in the same instant may belong to it, and what is tried again takes along what has come.
        if plan.commitTime == 0 || storage.failures > 0 { takeWaiting() }
        do {
            try store.commit(storage.writing)
        } catch {
            return commitFailed(process)
        }
        let isLazy = storage.writing.allSatisfy(\.isLazy)
        storage.writing = []
        storage.failures = 0
        storage.storedUpTo = storage.writingUpTo
        storage.isBusy = false
        if isLazy, !storage.isFlushPlanned {
            storage.isFlushPlanned = true
            after(World.laziness, .flushStore(process: process))
        }
        step(.stored(upTo: storage.storedUpTo))
        if process == self.process, storage.issued > storage.storedUpTo, !storage.isBusy, failure == nil { beginCommit() }
    }

    private mutating func commitFailed(_ process: Int) {
        guard !storage.disk.hasStopped else { return crashAtWrite() }
        marks.hit(.storeFailure)
        storage.failures += 1
        after(retryDelay, .commit(process: process))
        step(.storeFailed)
    }

    private var retryDelay: Int64 { min(50 * millisecond << Int64(min(storage.failures, 10)), 5 * second) }

    /// What was removed lazily is brought to disk while nothing else comes.
    mutating func flushStore(of process: Int) {
        guard process == self.process, storage.isFlushPlanned, let store = storage.store else { return }
        // The thread is at something else: it comes back.
        guard !storage.isBusy else { return after(World.laziness, .flushStore(process: process)) }
        do {
            try store.flush()
            storage.isFlushPlanned = false
            if storage.failures > 0 {
                storage.failures = 0
                step(.stored(upTo: storage.storedUpTo))
            }
        } catch {
            guard !storage.disk.hasStopped else { return crashAtWrite() }
            marks.hit(.storeFailure)
            storage.failures += 1
            after(retryDelay, .flushStore(process: process))
            step(.storeFailed)
        }
    }

    // MARK: Payloads

    mutating func unload(_ serial: Serial) {
        marks.hit(.unloaded)
        if !outbound[serial].isStored { fail(.storedBeforeSent, "the payload of \(serial) is dropped before it is stored") }
        outbound[serial].isInMemory = false
    }

    mutating func load(_ serial: Serial) {
        if settings.canary == .reportsLoadedEarly { return shell.followUps.append(.loaded(serial)) }
        storage.loads.append(serial)
        if storage.loads.count == 1 { after(dice.below(plan.commitTime * 2 + 20 * microsecond), .load(process: process)) }
    }

    /// The store's thread has read what was asked for.
    mutating func loaded(in process: Int) {
        guard process == self.process, let store = storage.store else { return }
        let serials = storage.loads
        storage.loads = []
        for serial in serials where process == self.process && failure == nil {
            let isLost = settings.faults.contains(.payloadLoss) && !isCalm && dice.chance(1, in: 40)
            guard !isLost, let record = try? store.record(of: .publish(serial)) else {
                if !isLost, shell.session.isUnfinished(serial) { fail(.storedSurvives, "the record of \(serial) cannot be read") }
                step(.unreadable(serial))
                continue
            }
            guard shell.session.isUnfinished(serial), shell.session.phase != .ended else { continue }
            let publish = outbound[serial]
            let name = Payloads.name(direction: 1, publish.qos, outbound.index(serial))
            let head = StoredPublishHead(record.head)
            if head?.topic != "up" || head?.qos != publish.qos || record.body.count != Int(publish.size)
                || !Payloads.matches(record.body[...], name, from: 0)
            {
                fail(.payloadIntact, "the record of \(serial) is another's")
            }
            marks.hit(.loaded)
            outbound[serial].isInMemory = true
            step(.loaded(serial))
        }
    }
}
