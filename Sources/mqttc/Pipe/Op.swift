import MQTT

/// One input line, understood and checked as far as that is possible without a client.
struct Op {
    enum Kind {
        case connect(ConnectArguments)
        case publish(PublishArguments)
        case subscribe([Subscription])
        case unsubscribe([String])
        case ping
        case next
        case disconnect
        case close
    }

    var id: Int64
    var timeout: Duration?
    var kind: Kind

    /// A timeout of 0 has already passed when the op starts.
    var isExpired: Bool { timeout == .zero }

    init(id: Int64, _ object: JSONObject) throws(PipeFailure) {
        self.id = id
        let fields = Fields(object)
        guard let name = try fields.string("op") else { throw .denied("op is missing") }
        kind =
            switch name {
            case "connect": .connect(try ConnectArguments(fields))
            case "publish": .publish(try PublishArguments(fields))
            case "subscribe": .subscribe(try Op.subscriptions(fields))
            case "unsubscribe": .unsubscribe(try Op.filters(fields))
            case "ping": .ping
            case "next": .next
            case "disconnect": try Op.disconnect(fields)
            case "close": .close
            case "auth": throw .unsupported("auth is for version 5.0, which is not there yet")
            default: throw .unsupported("unknown op")
            }
        timeout = try fields.seconds("timeout")
    }

    private static func disconnect(_ fields: Fields) throws(PipeFailure) -> Kind {
        try fields.refuseProperties()
        // DISCONNECT of 3.1.1 has no reason code.
        guard try fields.integer("reasonCode", in: 0...255) ?? 0 == 0 else { throw .denied("reasonCode is for version 5.0") }
        return .disconnect
    }

    private static func subscriptions(_ fields: Fields) throws(PipeFailure) -> [Subscription] {
        try fields.refuseProperties()
        var subscriptions: [Subscription] = []
        for element in try fields.list("filters") ?? [] {
            guard case .object(let object) = element else { throw .denied("each of filters must be an object") }
            let entry = Fields(object)
            guard let filter = try entry.string("filter") else { throw .denied("filter is missing") }
            try check(filter: filter)
            for option in ["noLocal", "retainAsPublished"] where try entry.bool(option) ?? false {
                throw .denied("\(option) is for version 5.0")
            }
            guard try entry.integer("retainHandling", in: 0...2) ?? 0 == 0 else {
                throw .denied("retainHandling is for version 5.0")
            }
            subscriptions.append(Subscription(filter, atMost: try entry.qos() ?? .atMostOnce))
        }
        guard !subscriptions.isEmpty else { throw .denied("no filters at all") }
        return subscriptions
    }

    private static func filters(_ fields: Fields) throws(PipeFailure) -> [String] {
        try fields.refuseProperties()
        var filters: [String] = []
        for element in try fields.list("filters") ?? [] {
            guard case .string(let filter) = element else { throw .denied("each of filters must be a text") }
            try check(filter: filter)
            filters.append(filter)
        }
        guard !filters.isEmpty else { throw .denied("no filters at all") }
        return filters
    }

    private static func check(filter: String) throws(PipeFailure) {
        do {
            _ = try TopicFilter(filter)
        } catch {
            throw PipeFailure(error)
        }
    }
}
