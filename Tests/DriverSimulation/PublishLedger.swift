import MQTT
import Simulation

/// What the application handed over, what became of it by its own account, and what the broker got.
struct PublishLedger {
    typealias Finding = (Invariant, String)

    struct Item {
        var qos: QoS
        var size: Int
        /// The one that accepted it.
        var process: Int
        /// The place in the order of acceptance. A process that finds nothing begins anywhere.
        var id: UInt64?
        var arrivals = 0
        var epoch = -1
        /// The application was told that it has no effect, now or later.
        var isWithoutEffect = false
        /// The application was told that it was accepted.
        var isAccepted = false
        /// It was told so, or it shows: the store has it.
        var isStored = false
        /// Others may have gone ahead of it while it had no effect.
        var mayBeLate = false
        /// This process has it from an earlier one.
        var isBack = false
        /// The application asked for its end.
        var isGivenUp = false
        var hasBadSource = false
        var outcome: String?
    }

    private(set) var items: [Item] = []
    var isDurable = false
    /// In the order of their first arrival, by QoS.
    private var firsts: [[Int]] = [[], [], []]
    private(set) var accepted = 0
    private(set) var completed = 0

    mutating func begin(_ qos: QoS, size: Int, process: Int) -> Int {
        items.append(Item(qos: qos, size: size, process: process))
        return items.count - 1
    }

    mutating func accept(_ index: Int, id: UInt64?) -> Finding? {
        items[index].id = id
        items[index].isAccepted = true
        accepted += 1
        return (id == nil) == (items[index].qos == .atMostOnce) ? nil : (.oneOutcome, "publish \(index) has the identifier \(id ?? 0)")
    }

    mutating func becomeStored(_ index: Int) { items[index].isStored = true }
    mutating func setBadSource(_ index: Int) { items[index].hasBadSource = true }
    mutating func giveUp(_ index: Int) { items[index].isGivenUp = true }

    /// The call threw.
    mutating func refuse(_ index: Int, _ error: MQTTError) -> Finding? {
        guard error.fate == .notSent || error.fate == .denied else { return nil }
        return hasNoEffect(index, "\(error.code)")
    }

    mutating func hasNoEffect(_ index: Int, _ why: String) -> Finding? {
        items[index].isWithoutEffect = true
        return items[index].arrivals == 0 ? nil : (.withdrawnNeverArrives, "publish \(index) had arrived when it was reported as \(why)")
    }

    mutating func arrive(_ index: Int, size: Int, epoch: Int) -> Finding? {
        guard items.indices.contains(index) else { return (.payloadIntact, "publish \(index) was never made") }
        defer {
            items[index].arrivals += 1
            items[index].epoch = epoch
            items[index].isStored = true
        }
        if size != items[index].size { return (.payloadIntact, "publish \(index) is cut") }
        if items[index].isWithoutEffect { return (.withdrawnNeverArrives, "publish \(index) arrives") }
        guard items[index].arrivals > 0 else {
            firsts[Int(items[index].qos.rawValue)].append(index)
            return nil
        }
        switch items[index].qos {
        case .atMostOnce: return (.atMostOnce, "publish \(index) arrives again")
        case .atLeastOnce: return nil
        case .exactlyOnce: return items[index].epoch == epoch ? (.exactlyOnce, "publish \(index) arrives again in one session") : nil
        }
    }

    /// The application was told of the end, perhaps not for the first time.
    mutating func end(_ index: Int, _ result: Result<Delivery.Outcome, MQTTError>, isEnding: Bool) -> Finding? {
        let outcome: String
        switch result {
        case .success: outcome = "completed"
        case .failure(let error): outcome = "\(error.code)"
        }
        if let known = items[index].outcome, known != outcome { return (.oneOutcome, "publish \(index) ends as \(known) and \(outcome)") }
        if items[index].outcome == nil, outcome == "completed" { completed += 1 }
        items[index].outcome = outcome
        switch result {
        case .success:
            if items[index].arrivals == 0 { return (.atLeastOnce, "publish \(index) is complete, and never arrived") }
            if items[index].isWithoutEffect { return (.oneOutcome, "publish \(index) is complete, and without effect") }
        case .failure(let error):
            switch error.code {
            case .withdrawn, .evicted, .expired:
                if error.code == .withdrawn, !items[index].isGivenUp { return (.oneOutcome, "nobody has withdrawn publish \(index)") }
                // An earlier process may have sent it.
                if items[index].isBack, error.fate == .unknown { return nil }
                return hasNoEffect(index, "\(error.code)")
            case .abandoned: if !items[index].isGivenUp { return (.oneOutcome, "nobody has abandoned publish \(index)") }
            case .payloadUnavailable: if !items[index].hasBadSource { return (.oneOutcome, "the source of publish \(index) was good") }
            case .suspended, .closed: if !isEnding { return (.oneOutcome, "publish \(index) is suspended while the client runs") }
            case .persistence: if !isDurable { return (.oneOutcome, "publish \(index) ends as \(error)") }
            default: return (.oneOutcome, "publish \(index) ends as \(error)")
            }
            if error.fate == .notSent { return hasNoEffect(index, "\(error.code), not sent") }
        }
        return nil
    }

    // MARK: Another process

    /// What was to be removed may be there again: Assumptions.md.
    ///
    /// - Parameter mayEvict: Publishes may have had their end without the application having heard of it.
    mutating func processEnded(mayEvict: Bool) {
        for index in items.indices where items[index].qos != .atMostOnce && items[index].arrivals == 0 {
            // Of a batch that was refused in the middle nobody knows what became of the others.
            let item = items[index]
            if item.isWithoutEffect || item.outcome != nil || !item.isAccepted || mayEvict { items[index].mayBeLate = true }
            items[index].isWithoutEffect = false
        }
    }

    /// The new process says that it is still on its way. Its end may not have been written down, so that there is another one.
    mutating func comeBack(_ index: Int, id: UInt64?, _ qos: QoS, size: Int) -> Finding? {
        let item = items[index]
        if item.qos != qos || item.size != size { return (.payloadIntact, "publish \(index) is found with \(size) bytes at \(qos)") }
        if let known = item.id, known != id { return (.storedSurvives, "publish \(index) was accepted as \(known), and is \(id ?? 0)") }
        items[index].id = id
        (items[index].isAccepted, items[index].isStored, items[index].isBack) = (true, true, true)
        (items[index].isWithoutEffect, items[index].outcome) = (false, nil)
        return nil
    }

    /// These are all that it has of what was before. What else was stored must have come to its end.
    mutating func resumed(_ found: Set<Int>, before count: Int, mayEvict: Bool, isWhole: Bool) -> Finding? {
        for index in 0..<count where !found.contains(index) && items[index].qos != .atMostOnce {
            let item = items[index]
            if isWhole, item.arrivals == 0 { items[index].isWithoutEffect = true }
            guard item.outcome == nil else { continue }
            if isWhole, item.isStored, item.arrivals == 0, !item.isGivenUp, !mayEvict {
                return (.storedSurvives, "publish \(index) was stored, and is gone")
            }
            items[index].outcome = "gone"
        }
        return nil
    }

    /// First arrivals are in the order of acceptance.
    func checkOrder() -> Finding? {
        for (qos, firsts) in firsts.enumerated() where qos > 0 {
            var last: (process: Int, id: UInt64)?
            for index in firsts {
                guard let id = items[index].id, !items[index].mayBeLate else { continue }
                let place = (process: items[index].process, id: id)
                if let last, place < last { return (.deliveredInOrder, "publish \(index), accepted as \(id), arrives behind \(last.id)") }
                last = place
            }
        }
        return nil
    }

    /// Everything accepted has come to an end that the application knows.
    func unfinished() -> Int? { items.firstIndex { $0.isAccepted && $0.qos != .atMostOnce && $0.outcome == nil } }
}
