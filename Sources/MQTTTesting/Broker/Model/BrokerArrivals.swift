/// The order in which the latest PUBLISH packets at QoS 1 and 2 first came in, bounded, to judge the order of a resend.
struct BrokerArrivals: Sendable {
    struct Arrival: Sendable, Equatable {
        let packetID: UInt16
        let qos: UInt8
        /// Tells a resend from a new message under the same identifier.
        let content: UInt64
    }

    enum Order { case kept, brokenWithinQoS, brokenAcrossQoS }

    private static let limit = 4096
    private var ring: [Arrival] = []
    private var total = 0
    /// The highest ranks that came again on the present connection, at QoS 1 and 2.
    private var highest = (-1, -1)

    /// Begins a connection.
    mutating func connect() { highest = (-1, -1) }

    mutating func append(_ arrival: Arrival) {
        if ring.count < Self.limit {
            ring.append(arrival)
        } else {
            ring[total % Self.limit] = arrival
        }
        total += 1
    }

    /// Judges a PUBLISH that comes again by those that came again before it. `nil` when it was never here.
    mutating func resend(_ arrival: Arrival) -> Order? {
        var rank = total - 1
        let oldest = total - ring.count
        while rank >= oldest, ring[rank % Self.limit] != arrival { rank -= 1 }
        guard rank >= oldest else { return nil }
        let (same, other) = arrival.qos == 1 ? highest : (highest.1, highest.0)
        if arrival.qos == 1 { highest.0 = max(same, rank) } else { highest.1 = max(same, rank) }
        if rank < same { return .brokenWithinQoS }
        return rank < other ? .brokenAcrossQoS : .kept
    }

    /// FNV-1a over the topic and the first bytes of the payload, and its length.
    static func fingerprint(_ topic: [UInt8], _ payload: [UInt8]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ UInt64(payload.count)
        for byte in topic { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        for byte in payload.prefix(64) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash
    }
}
