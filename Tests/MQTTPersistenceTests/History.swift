import MQTTCore
import MQTTPersistence

/// Commits, and what may be there after a crash anywhere among them.
struct History: Sendable {
    var commits: [[StoreChange]]

    /// The life of a few messages, as a session stores it.
    static let short = History(commits: [
        [.put(.client, head: [65])],
        [.put(.publish(0), head: [1], body: bytes(0, 40)), .put(.publish(1), head: [2], body: bytes(1, 700))],
        [.put(.publish(2), head: [1], body: bytes(2, 10))],
        [.put(.received(1)), .put(.inbound(7)), .delete(.publish(0), lazily: true)],
        [.delete(.publish(1), lazily: true)],
        [.put(.publish(3), head: [3], body: bytes(3, 300)), .delete(.inbound(7))],
        [.put(.received(3)), .put(.received(2))],
        [.delete(.publish(2), lazily: true), .delete(.publish(3), lazily: true)],
        [.put(.publish(4), body: bytes(4, 5)), .put(.inbound(8)), .put(.inbound(7))],
        [.deleteAllInbound, .delete(.received(4))],
        [.put(.publish(5), body: bytes(5, 5)), .put(.publish(4), body: bytes(6, 50))],
    ])

    /// Any changes, by seed, among few keys.
    static func random(_ count: Int, _ random: inout some RandomNumberGenerator) -> History {
        var next: UInt64 = 0
        var live: [UInt64] = []
        func change(_ random: inout some RandomNumberGenerator) -> StoreChange {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                next += 1
                live.append(next)
                return .put(
                    .publish(next), head: [UInt8.random(in: 0...255, using: &random)],
                    body: bytes(Int(next), .random(in: 0...900, using: &random)))
            case 4..<7:
                guard !live.isEmpty else { return .delete(.publish(0)) }
                // Mostly the oldest one.
                let index = Bool.random(using: &random) ? 0 : Int.random(in: 0..<live.count, using: &random)
                return .delete(.publish(live.remove(at: index)), lazily: true)
            case 7: return .put(.received(live.randomElement(using: &random) ?? 1))
            case 8: return .put(.inbound(.random(in: 1...4, using: &random)), body: bytes(Int(next), 3))
            default:
                return Int.random(in: 0..<9, using: &random) == 0
                    ? .deleteAllInbound : .delete(.inbound(.random(in: 1...4, using: &random)))
            }
        }
        return History(commits: (0..<count).map { _ in (0..<Int.random(in: 1...4, using: &random)).map { _ in change(&random) } })
    }

    private static func bytes(_ seed: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ seed) } }

    /// Runs it until the disk fails. Returns how many commits were reported.
    func run(on store: any SessionStore) -> Int {
        do { _ = try store.open() } catch { return 0 }
        defer { store.close() }
        for (number, commit) in commits.enumerated() {
            do { try store.commit(commit) } catch { return number }
        }
        return commits.count
    }

    /// What may be there when so many commits were reported, and the next one may have begun.
    func states(reported: Int) -> PossibleStates {
        var states = PossibleStates()
        for (number, commit) in commits.prefix(reported + 1).enumerated() {
            for change in commit { states.apply(change) }
            // Everything before a reported commit is safe, unless there is nothing in it but lazy removals.
            if number < reported, !commit.allSatisfy(\.isLazy) { states.settle() }
        }
        return states
    }
}

/// For each key the values that it may have, the newest last. Nil when it is not there.
struct PossibleStates {
    private(set) var values: [RecordKey: [Value?]] = [:]

    mutating func apply(_ change: StoreChange) {
        switch change {
        case .put(let key, let head, let body): values[key, default: [nil]].append(Value(head, body))
        case .delete(let key, _):
            values[key, default: [nil]].append(nil)
            if case .publish(let number) = key { values[.received(number), default: [nil]].append(nil) }
        case .deleteAllInbound:
            for key in values.keys { if case .inbound = key { values[key]?.append(nil) } }
        }
    }

    mutating func settle() { values = values.mapValues { $0.suffix(1) } }

    /// What is wrong with this, if anything.
    func objection(to found: [RecordKey: Value]) -> String? {
        for key in Set(values.keys).union(found.keys) where !(values[key] ?? [nil]).contains(found[key]) {
            return "\(key) is \(found[key].map { "\($0)" } ?? "absent"), possible: \(values[key] ?? [nil])"
        }
        for key in found.keys {
            guard case .publish(let number) = key, let received = values[.received(number)] else { continue }
            // A publish that is still there must not have lost what only its removal removes.
            if !received.dropLast().contains(nil), received.count > 1, found[.received(number)] == nil {
                return "publish \(number) is there without its PUBREC"
            }
        }
        return nil
    }
}
