/// Requests that the broker answers once, and that do not outlive a connection: SUBSCRIBE, UNSUBSCRIBE, PINGREQ.
struct RequestFlow: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case subscribe(filters: Int)
        case unsubscribe
        case ping
    }

    struct Request: Sendable, Equatable {
        var ticket: Ticket
        var kind: Kind
    }

    private struct Ping: Sendable, Equatable {
        var ticket: Ticket
        /// Its place among all PINGREQs of the link, counted from 1.
        var place: UInt64
    }

    /// Not sent yet: a connect attempt is under way.
    private var waiting: [Request] = []
    /// Sent. A ticket of 0 has been abandoned; its identifier stays in use until the answer comes [MQTT-2.3.1-3].
    private var sent: [PacketID: Request] = [:]
    /// PINGREQs of the application without an answer, oldest first. A ticket of 0 has been abandoned.
    private var pings: [Ping] = []
    /// All PINGREQs of this link, the automatic ones too. PINGRESPs come in their order.
    private var pingsSent: UInt64 = 0
    private var pingsAnswered: UInt64 = 0
    private var lastID: PacketID = 0

    var count: Int { waiting.count + sent.count + pings.count }
    var awaitsPing: Bool { pingsAnswered < pingsSent }

    // MARK: The application

    mutating func wait(_ request: Request) { waiting.append(request) }

    mutating func send(_ request: Request, into effects: inout Effects) {
        switch request.kind {
        case .ping:
            ping(into: &effects)
            pings.append(Ping(ticket: request.ticket, place: pingsSent))
        case .subscribe:
            effects.append(.sendSubscribe(request.ticket, register(request)))
        case .unsubscribe:
            effects.append(.sendUnsubscribe(request.ticket, register(request)))
        }
    }

    /// A PINGREQ that nobody waits for.
    mutating func ping(into effects: inout Effects) {
        pingsSent += 1
        effects.append(.send(.pingreq))
    }

    /// A free identifier [MQTT-2.3.1-2]. There is one, for requests are limited to fewer than there are identifiers.
    private mutating func register(_ request: Request) -> PacketID {
        repeat { lastID = RequestID.after(lastID) } while sent[lastID] != nil
        sent[lastID] = request
        return lastID
    }

    mutating func cancel(_ ticket: Ticket, into effects: inout Effects) {
        guard ticket != 0 else { return }  // nobody's, and that of abandoned requests
        if let index = waiting.firstIndex(where: { $0.ticket == ticket }) {
            waiting.remove(at: index)
            effects.append(.resolved(ticket, .canceled))
        } else if let packetID = sent.first(where: { $0.value.ticket == ticket })?.key {
            sent[packetID]?.ticket = 0
            effects.append(.resolved(ticket, .abandoned))
        } else if let index = pings.firstIndex(where: { $0.ticket == ticket }) {
            pings[index].ticket = 0
            effects.append(.resolved(ticket, .abandoned))
        }
    }

    // MARK: The broker

    /// Throws when the number of codes is not that of the filters. Unknown identifiers are ignored.
    mutating func suback(_ packetID: PacketID, codes: Int, into effects: inout Effects) throws(ProtocolViolation) {
        guard let request = sent[packetID], case .subscribe(let filters) = request.kind else { return }
        guard codes == filters else { throw .subackCount }  // [MQTT-3.8.4-5]
        answered(packetID, request, into: &effects)
    }

    mutating func unsuback(_ packetID: PacketID, into effects: inout Effects) {
        guard let request = sent[packetID], request.kind == .unsubscribe else { return }
        answered(packetID, request, into: &effects)
    }

    private mutating func answered(_ packetID: PacketID, _ request: Request, into effects: inout Effects) {
        sent[packetID] = nil
        if request.ticket != 0 { effects.append(.resolved(request.ticket, .answered)) }
    }

    mutating func pingresp(into effects: inout Effects) {
        guard awaitsPing else { return }
        pingsAnswered += 1
        guard let ping = pings.first, ping.place == pingsAnswered else { return }
        pings.removeFirst()
        if ping.ticket != 0 { effects.append(.resolved(ping.ticket, .answered)) }
    }

    // MARK: The link

    mutating func online(into effects: inout Effects) {
        let requests = waiting
        waiting = []
        for request in requests { send(request, into: &effects) }
    }

    /// What was sent ends; what waits goes on waiting.
    mutating func linkLost(_ resolution: Resolution, into effects: inout Effects) {
        for ticket in sent.values.map(\.ticket).sorted() where ticket != 0 { effects.append(.resolved(ticket, resolution)) }
        for ping in pings where ping.ticket != 0 { effects.append(.resolved(ping.ticket, resolution)) }
        sent = [:]
        pings = []
        pingsSent = 0
        pingsAnswered = 0
    }

    mutating func refuseWaiting(_ resolution: Resolution, into effects: inout Effects) {
        for request in waiting { effects.append(.resolved(request.ticket, resolution)) }
        waiting = []
    }
}
