internal import MQTT

/// One run of the contract: stores at places of their own, and what was found.
struct StoreExamination {
    typealias Rule = SessionStoreContract.Rule

    /// What a store holds, as it should be handed out.
    struct Expected: Equatable {
        var key: RecordKey
        var head: [UInt8] = []
        var body: [UInt8] = []

        init(_ key: RecordKey, _ head: [UInt8] = [], _ body: [UInt8] = []) {
            self.key = key
            self.head = head
            self.body = body
        }
    }

    private let makeStore: (String) throws -> any SessionStore
    private(set) var violations: [SessionStoreContract.Violation] = []

    init(makeStore: @escaping (String) throws -> any SessionStore) { self.makeStore = makeStore }

    mutating func report(_ rule: Rule, _ detail: String) {
        let violation = SessionStoreContract.Violation(rule: rule, detail: detail)
        if !violations.contains(violation) { violations.append(violation) }
    }

    mutating func expect(_ holds: Bool, _ rule: Rule, _ detail: @autoclosure () -> String) {
        if !holds { report(rule, detail()) }
    }

    /// Does what must not throw, with an open store at a new place, and closes it.
    mutating func examine(_ place: String, _ body: (inout StoreExamination, any SessionStore) throws -> Void) {
        do {
            let store = try makeStore(place)
            let contents = try store.open()
            defer { store.close() }
            expect(contents.isEmpty && contents.clientID == nil, .opensEmpty, "a new place holds \(contents.map(\.key))")
            expect(contents.damage.isEmpty, .opensEmpty, "in a new place something was lost: \(contents.damage)")
            try body(&self, store)
        } catch {
            report(.works, "\(place): it threw \(error)")
        }
    }

    func store(_ place: String) throws -> any SessionStore { try makeStore(place) }

    /// Closes it, opens the store of that place anew, and compares. The store is open afterwards.
    mutating func expectAfterReopening(
        _ store: inout any SessionStore, _ place: String, _ rule: Rule, _ expected: [Expected], _ when: String
    ) throws {
        store.close()
        store = try makeStore(place)
        try expectContents(of: store, rule, expected, when)
    }

    /// Opens it and compares: entries, lengths, and each record.
    mutating func expectContents(of store: any SessionStore, _ rule: Rule, _ expected: [Expected], _ when: String) throws {
        let contents = try store.open()
        expect(contents.damage.isEmpty, .opensEmpty, "damage is reported where there is none: \(contents.damage)")
        let (keys, wanted) = (contents.map(\.key), expected.map(\.key))
        guard keys == wanted else { return report(rule, "\(when): it holds \(keys) in place of \(wanted)") }
        for (entry, expected) in zip(contents, expected) {
            let isSame = entry.head == expected.head && entry.bodyLength == expected.body.count
            expect(isSame, rule, "\(when): the entry of \(entry.key) is another one")
            expectRecord(of: store, rule, expected, when)
        }
    }

    mutating func expectRecord(of store: any SessionStore, _ rule: Rule, _ expected: Expected, _ when: String) {
        do throws(MQTTError) {
            let record = try store.record(of: expected.key)
            expect(record.head == expected.head, rule, "\(when): the head of \(expected.key) is another one")
            expect(record.body == expected.body, rule, "\(when): the body of \(expected.key) is another one")
        } catch {
            report(rule, "\(when): \(expected.key) cannot be read: \(error)")
        }
    }

    mutating func expectMissing(_ key: RecordKey, in store: any SessionStore, _ rule: Rule, _ when: String) {
        expectError(rule, "\(when): \(key) can be read") { () throws(MQTTError) in _ = try store.record(of: key) }
    }

    mutating func expectError(_ rule: Rule, _ detail: String, _ body: () throws(MQTTError) -> Void) {
        do throws(MQTTError) {
            try body()
            report(rule, detail)
        } catch {
            expect(error.code == .persistence, .reportsErrors, "an error has the code \(error.code): \(error.message)")
            expect(!error.message.isEmpty, .reportsErrors, "an error says nothing")
        }
    }
}
