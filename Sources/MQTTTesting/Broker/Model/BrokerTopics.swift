/// Who subscribed to what, and the retained messages.
///
/// Filters without a wildcard are looked up; those with one are tried one after another. That suits tests, and the connection's
/// memory of its latest topic keeps the search out of a stream on one topic.
struct BrokerTopics: Sendable {
    struct Target: Sendable, Equatable {
        let session: Int
        var qos: UInt8
    }

    private struct Wildcard: Sendable {
        let filter: [UInt8]
        var targets: [Target]
    }

    private struct Retained: Sendable {
        let message: BrokerMessage
        let rank: Int
    }

    private var exact: [[UInt8]: [Target]] = [:]
    private var wildcards: [Wildcard] = []
    private var retained: [[UInt8]: Retained] = [:]
    private var rank = 0
    /// Changes with every subscription.
    private(set) var generation = 0

    /// Adds or replaces [MQTT-3.8.4-3]; tells whether it is new.
    mutating func subscribe(_ session: Int, to filter: [UInt8], qos: UInt8) -> Bool {
        generation += 1
        let target = Target(session: session, qos: qos)
        guard BrokerText.hasWildcard(filter) else {
            return Self.put(target, into: &exact[filter, default: []])
        }
        if let index = wildcards.firstIndex(where: { $0.filter == filter }) {
            return Self.put(target, into: &wildcards[index].targets)
        }
        wildcards.append(Wildcard(filter: filter, targets: [target]))
        return true
    }

    private static func put(_ target: Target, into targets: inout [Target]) -> Bool {
        if let index = targets.firstIndex(where: { $0.session == target.session }) {
            targets[index] = target
            return false
        }
        targets.append(target)
        return true
    }

    /// Compares filters byte by byte [MQTT-3.10.4-1].
    mutating func unsubscribe(_ session: Int, from filter: [UInt8]) {
        generation += 1
        if BrokerText.hasWildcard(filter) {
            guard let index = wildcards.firstIndex(where: { $0.filter == filter }) else { return }
            wildcards[index].targets.removeAll { $0.session == session }
            if wildcards[index].targets.isEmpty { wildcards.remove(at: index) }
        } else {
            exact[filter]?.removeAll { $0.session == session }
            if exact[filter]?.isEmpty == true { exact[filter] = nil }
        }
    }

    /// One entry a session, with the highest QoS of its matching filters [MQTT-3.3.5-1], in the order of session numbers.
    func targets(of topic: [UInt8]) -> [Target] {
        var found = exact[topic] ?? []
        for wildcard in wildcards where BrokerText.matches(filter: wildcard.filter, topic: topic) {
            found.append(contentsOf: wildcard.targets)
        }
        guard found.count > 1 else { return found }
        found.sort { ($0.session, $1.qos) < ($1.session, $0.qos) }
        var unique: [Target] = []
        for target in found where unique.last?.session != target.session { unique.append(target) }
        return unique
    }

    /// Keeps a retained message, or forgets it when the payload is empty [MQTT-3.3.1-10].
    mutating func retain(_ message: BrokerMessage) {
        rank += 1
        retained[message.topic] = message.payload.isEmpty ? nil : Retained(message: message, rank: rank)
    }

    /// In the order of arrival, whatever the order of the dictionary.
    func retained(matching filter: [UInt8]) -> [BrokerMessage] {
        guard BrokerText.hasWildcard(filter) else { return retained[filter].map { [$0.message] } ?? [] }
        var found: [Retained] = []
        for (topic, entry) in retained where BrokerText.matches(filter: filter, topic: topic) { found.append(entry) }
        found.sort { $0.rank < $1.rank }
        return found.map(\.message)
    }

    mutating func forgetRetained() { retained.removeAll() }
}
