/// A SUBSCRIBE packet (section 3.8).
package struct Subscribe: Sendable, Equatable {
    package var subscriptions: [Subscription]

    package init(_ subscriptions: [Subscription]) { self.subscriptions = subscriptions }

    package func check() throws(MQTTError) {
        try checkCount(subscriptions.count, "MQTT-3.8.3-3")
        try checkLength(remainingLength)
        for subscription in subscriptions { try TopicFilter.check(subscription.filter) }
    }

    package var remainingLength: Int { subscriptions.reduce(2) { $0 + 3 + $1.filter.utf8.count } }
    package var encodedLength: Int { 1 + variableByteIntegerLength(remainingLength) + remainingLength }

    package func encode(packetID: PacketID, into writer: inout PacketWriter) {
        writer.byte(0x82)  // [MQTT-3.8.1-1]
        writer.variableByteInteger(remainingLength)
        writer.integer(packetID)
        for subscription in subscriptions {
            writer.string(subscription.filter)
            writer.byte(subscription.maximumQoS.rawValue)  // [MQTT-3-8.3-4]
        }
    }
}

/// An UNSUBSCRIBE packet (section 3.10).
package struct Unsubscribe: Sendable, Equatable {
    package var filters: [String]

    package init(_ filters: [String]) { self.filters = filters }

    package func check() throws(MQTTError) {
        try checkCount(filters.count, "MQTT-3.10.3-2")
        try checkLength(remainingLength)
        for filter in filters { try TopicFilter.check(filter) }
    }

    package var remainingLength: Int { filters.reduce(2) { $0 + 2 + $1.utf8.count } }
    package var encodedLength: Int { 1 + variableByteIntegerLength(remainingLength) + remainingLength }

    package func encode(packetID: PacketID, into writer: inout PacketWriter) {
        writer.byte(0xA2)  // [MQTT-3.10.1-1]
        writer.variableByteInteger(remainingLength)
        writer.integer(packetID)
        for filter in filters { writer.string(filter) }
    }
}

private func checkCount(_ count: Int, _ citation: String) throws(MQTTError) {
    guard count > 0 else { throw .denied("no topic filter", citation) }
    guard count <= Limits.filtersPerRequest else {
        throw .denied("more than \(Limits.filtersPerRequest) topic filters in one request", "Limits.filtersPerRequest")
    }
}

private func checkLength(_ remainingLength: Int) throws(MQTTError) {
    guard remainingLength <= FixedHeader.maximumRemainingLength else {
        throw .denied("the packet would have a remaining length of more than 268,435,455", "MQTT 3.1.1 section 2.2.3")
    }
}
