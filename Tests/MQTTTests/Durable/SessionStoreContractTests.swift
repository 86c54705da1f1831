import MQTT
import MQTTTesting
import Synchronization
import Testing

/// The contract suite for users' stores: ours keep it, and each wrong one is found out.
@Suite(.timeLimit(.minutes(4))) struct SessionStoreContractTests {
    /// A store of this kind for each place, the same one again for the same place.
    private static func stores<Store: SessionStore>(_ make: @escaping () -> Store) -> (String) -> any SessionStore {
        let stores = LockedBox<[String: Store]>([:])
        return { place in
            let store = stores.value[place] ?? make()
            stores.withValue { $0[place] = store }
            return store
        }
    }

    @Test func theStoreInMemoryKeepsIt() async {
        let violations = await SessionStoreContract.check(makeStore: Self.stores { MemorySessionStore() })
        #expect(violations.isEmpty)
    }

    @Test func theStoresOnDiskKeepIt() async throws {
        try await withDirectory { path in
            let journal = await SessionStoreContract.check { JournalSessionStore(at: "\(path)/journal/\($0)") }
            #expect(journal.isEmpty)
            let interval = await SessionStoreContract.check {
                JournalSessionStore(at: "\(path)/interval/\($0)", durability: .interval(.seconds(1)))
            }
            #expect(interval.isEmpty)
            let directory = await SessionStoreContract.check { DirectorySessionStore(at: "\(path)/directory/\($0)") }
            #expect(directory.isEmpty)
        }
    }

    @Test(arguments: WrongStore.Flaw.allCases)
    func aWrongStoreIsFoundOut(flaw: WrongStore.Flaw) async {
        let violations = await SessionStoreContract.check(makeStore: Self.stores { WrongStore(flaw) })
        #expect(violations.contains { $0.rule == flaw.rule }, "\(violations)")
    }

    @Test func everyRuleIsBrokenBySome() {
        #expect(Set(WrongStore.Flaw.allCases.map(\.rule)) == Set(SessionStoreContract.Rule.allCases))
    }

    @Test func aStoreThatCannotBeMadeIsReported() async {
        struct NoDatabase: Error {}
        let violations = await SessionStoreContract.check { _ in throw NoDatabase() }
        #expect(!violations.isEmpty && violations.allSatisfy { $0.rule == .works })
    }
}

/// A store in memory with something wrong.
final class WrongStore: SessionStore {
    enum Flaw: String, Sendable, CaseIterable, CustomTestStringConvertible {
        case startsWithARecord, reportsDamage, losesHeads, cutsBodies, saysWrongLengths, cutsHeads
        case ordersByPut, ordersReceptionsByNumber, putsTheClientLast, keepsThePlaceOfAReplacedOne, keepsTheOldHead
        case removesFirst, leavesReceptions, removesTheReceptionsPublish, removesAllReceptions, leavesInbound
        case ignoresLazyRemovals, forgetsLazyRemovals, forgetsWhenClosed, forgetsTheSecondTime
        case opensTwice, writesWhenClosed, readsWhenClosed, inventsRecords, hasOtherErrors, saysNothing
        case readsTorn, readsOld, throwsAtNothing

        var testDescription: String { rawValue }

        var rule: SessionStoreContract.Rule {
            switch self {
            case .startsWithARecord, .reportsDamage: .opensEmpty
            case .losesHeads, .cutsBodies, .saysWrongLengths, .cutsHeads: .keepsValues
            case .ordersByPut, .ordersReceptionsByNumber, .putsTheClientLast: .keepsOrder
            case .keepsThePlaceOfAReplacedOne, .keepsTheOldHead: .replaces
            case .removesFirst: .appliesChangesInOrder
            case .leavesReceptions, .removesTheReceptionsPublish: .removesReceptionsWithTheirPublish
            case .removesAllReceptions, .leavesInbound: .removesAllInbound
            case .ignoresLazyRemovals, .forgetsLazyRemovals: .removesLazily
            case .forgetsWhenClosed, .forgetsTheSecondTime: .survivesReopening
            case .opensTwice: .servesOneSession
            case .writesWhenClosed, .readsWhenClosed: .needsToBeOpen
            case .inventsRecords: .reportsMissingRecords
            case .hasOtherErrors, .saysNothing: .reportsErrors
            case .readsTorn, .readsOld: .readsDuringCommits
            case .throwsAtNothing: .works
            }
        }
    }

    private struct Record {
        var key: RecordKey
        var head: [UInt8]
        var body: [UInt8]
    }

    private struct State {
        var records: [Record] = []
        var lazily: [Record] = []
        var isOpen = false
        var openings = 0
        var reads = 0
        var old: StoredRecord?
    }

    private let flaw: Flaw
    private let state = Mutex(State())

    init(_ flaw: Flaw) { self.flaw = flaw }

    private func error(_ message: String) -> MQTTError {
        MQTTError(flaw == .hasOtherErrors ? .closed : .persistence, .notSent, flaw == .saysNothing ? "" : message)
    }

    func open() throws(MQTTError) -> StoreContents {
        try state.withLock { state throws(MQTTError) in
            if state.isOpen, flaw != .opensTwice { throw error("in use") }
            state.isOpen = true
            state.openings += 1
            if flaw == .forgetsTheSecondTime, state.openings % 3 == 0 { state.records = [] }
            if flaw == .forgetsLazyRemovals { state.records += state.lazily }
            state.lazily = []
            var contents = StoreContents()
            if flaw == .startsWithARecord, state.openings == 1 { contents.append(StoreEntry(.inbound(1), head: [], bodyLength: 0)) }
            for record in ordered(state.records) {
                let head = flaw == .losesHeads ? [] : record.head
                contents.append(StoreEntry(record.key, head: head, bodyLength: record.body.count + (flaw == .saysWrongLengths ? 1 : 0)))
            }
            if flaw == .reportsDamage { contents.damage = [StoreDamage(nil, "something")] }
            return contents
        }
    }

    private func ordered(_ records: [Record]) -> [Record] {
        if flaw == .ordersByPut { return records }
        // Receptions stay in the order of their puts.
        func rank(_ record: Record, _ offset: Int) -> (Int, UInt64, Int) {
            switch record.key {
            case .client: (flaw == .putsTheClientLast ? 3 : 0, 0, offset)
            case .publish(let number): (1, number, offset)
            case .received(let number): (2, flaw == .ordersReceptionsByNumber ? number : 0, offset)
            case .inbound(let number): (2, flaw == .ordersReceptionsByNumber ? UInt64(number) : 0, offset)
            }
        }
        return records.enumerated().sorted { rank($0.element, $0.offset) < rank($1.element, $1.offset) }.map(\.element)
    }

    func record(of key: RecordKey) throws(MQTTError) -> StoredRecord {
        try state.withLock { state throws(MQTTError) in
            if !state.isOpen, flaw != .readsWhenClosed { throw error("not open") }
            guard let record = state.records.first(where: { $0.key == key }) else {
                if flaw == .inventsRecords { return StoredRecord(head: [], body: []) }
                throw error("no such record")
            }
            state.reads += 1
            let body = flaw == .cutsBodies ? Array(record.body.prefix(65_536)) : record.body
            let found = StoredRecord(head: record.head, body: body)
            guard key == .publish(1), record.body.count == 2_000 else { return found }
            defer { state.old = found }
            if flaw == .readsTorn, let old = state.old, old != found { return StoredRecord(head: record.head, body: old.body) }
            if flaw == .readsOld, let old = state.old { return old }
            return found
        }
    }

    func commit(_ changes: [StoreChange]) throws(MQTTError) {
        try state.withLock { state throws(MQTTError) in
            if !state.isOpen, flaw != .writesWhenClosed { throw error("not open") }
            if flaw == .throwsAtNothing, changes.isEmpty { throw error("nothing to do") }
            let removals = changes.filter { if case .delete = $0 { true } else { false } }
            let ordered = flaw == .removesFirst ? removals + changes.filter { !removals.contains($0) } : changes
            for change in ordered { apply(change, &state) }
        }
    }

    private func apply(_ change: StoreChange, _ state: inout State) {
        switch change {
        case .put(let key, let head, let body):
            let head = flaw == .cutsHeads ? Array(head.prefix(65_535)) : head
            let index = state.records.firstIndex { $0.key == key }
            let old = index.map { state.records[$0] }
            let record = Record(key: key, head: flaw == .keepsTheOldHead ? old?.head ?? head : head, body: body)
            if flaw == .keepsThePlaceOfAReplacedOne, let index { return state.records[index] = record }
            state.records.removeAll { $0.key == key }
            state.records.append(record)
        case .delete(let key, let lazily):
            if lazily, flaw == .ignoresLazyRemovals { return }
            if lazily { state.lazily += state.records.filter { $0.key == key } }
            state.records.removeAll { $0.key == key }
            switch key {
            case .publish(let number): if flaw != .leavesReceptions { state.records.removeAll { $0.key == .received(number) } }
            case .received(let number): if flaw == .removesTheReceptionsPublish { state.records.removeAll { $0.key == .publish(number) } }
            case .client, .inbound: break
            }
        case .deleteAllInbound:
            if flaw == .leavesInbound { return }
            state.records.removeAll { record in
                switch record.key {
                case .inbound: true
                case .received: flaw == .removesAllReceptions
                case .client, .publish: false
                }
            }
        }
    }

    func close() {
        state.withLock { state in
            if flaw == .forgetsWhenClosed { state.records = [] }
            state.isOpen = false
        }
    }
}
