/// The order in which a store hands out its records.
extension RecordKey {
    /// The number that tells it from others of its kind.
    var number: UInt64 {
        switch self {
        case .client: 0
        case .publish(let number), .received(let number): number
        case .inbound(let identifier): UInt64(identifier)
        }
    }

    var isInbound: Bool {
        switch self {
        case .inbound: true
        case .client, .publish, .received: false
        }
    }

    /// The client, then publishes, then receptions.
    private var rank: Int {
        switch self {
        case .client: 0
        case .publish: 1
        case .received, .inbound: 2
        }
    }

    /// Publishes by number, receptions by the order of their puts.
    static func precedes(_ left: (key: RecordKey, order: UInt64), _ right: (key: RecordKey, order: UInt64)) -> Bool {
        if left.key.rank != right.key.rank { return left.key.rank < right.key.rank }
        switch left.key {
        case .client, .publish: return left.key.number < right.key.number
        case .received, .inbound: return left.order < right.order
        }
    }
}
