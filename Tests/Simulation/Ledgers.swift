import MQTTCore

/// QoS 0 from the client under test: each arrives at most once, in order.
struct VolatileLedger: Sendable {
    private(set) var sizes: [Int32] = []
    private var lastArrival = -1

    mutating func accept(size: Int) -> Int {
        sizes.append(Int32(size))
        return sizes.count - 1
    }

    mutating func arrive(_ index: Int) -> (Invariant, String)? {
        guard sizes.indices.contains(index) else { return (.payloadIntact, "QoS 0 message \(index) was never published") }
        guard index > lastArrival else { return (.atMostOnce, "QoS 0 message \(index) arrived behind \(lastArrival)") }
        lastArrival = index
        return nil
    }
}

/// Requests of the application: each ends once.
struct RequestLedger: Sendable {
    enum Kind: Sendable, Equatable {
        case subscribe([Subscription])
        case unsubscribe([String])
        case ping
        case disconnect
    }

    private(set) var kinds: [Kind] = []
    var ends: [Resolution?] = []
    var open = 0

    mutating func begin(_ kind: Kind) -> Ticket {
        kinds.append(kind)
        ends.append(nil)
        open += 1
        return Ticket(kinds.count)
    }

    func isOpen(_ ticket: Ticket) -> Bool { ticket > 0 && ticket <= kinds.count && ends[Int(ticket) - 1] == nil }

    subscript(ticket: Ticket) -> Kind { kinds[Int(ticket) - 1] }

    func firstOpen() -> Ticket? { ends.firstIndex { $0 == nil }.map { Ticket($0 + 1) } }

    mutating func resolve(_ ticket: Ticket, _ resolution: Resolution) -> (Invariant, String)? {
        guard ticket > 0, ticket <= kinds.count else { return (.ticketResolvedOnce, "ticket \(ticket) was never issued") }
        if let end = ends[Int(ticket) - 1] { return (.ticketResolvedOnce, "ticket \(ticket) is \(resolution), and was \(end)") }
        ends[Int(ticket) - 1] = resolution
        open -= 1
        return nil
    }
}
