// Subscriptions.

extension BrokerModel {
    mutating func subscribe(
        _ packetID: UInt16, _ filters: [(filter: [UInt8], qos: UInt8)], _ session: Int, _ slot: Int
    ) throws(Breach) {
        try judgeRequest(packetID, session, slot)
        // [MQTT-3.8.4-5], [MQTT-3.9.3-1]
        let codes = filters.map { grant($0.filter, $0.qos) }
        acknowledge(BrokerAcknowledgement(first: 0x90, packetID: packetID, codes: codes), session, slot)
        for (index, code) in codes.enumerated() where code != 0x80 {
            let filter = filters[index].filter
            if topics.subscribe(session, to: filter, qos: code) { sessions[session].filters.append(filter) }
            // [MQTT-3.3.1-6], [MQTT-3.3.1-8], and again for a filter that was there [MQTT-3.8.4-3].
            for message in topics.retained(matching: filter) {
                deliver(BrokerSession.Queued(message: message, qos: min(message.qos, code), retain: true), to: session)
            }
        }
    }

    private func grant(_ filter: [UInt8], _ qos: UInt8) -> UInt8 {
        if !configuration.deniedFilters.isEmpty, configuration.deniedFilters.contains(String(decoding: filter, as: UTF8.self)) {
            return 0x80
        }
        return min(qos, configuration.maximumQoS)
    }

    mutating func unsubscribe(_ packetID: UInt16, _ filters: [[UInt8]], _ session: Int, _ slot: Int) throws(Breach) {
        try judgeRequest(packetID, session, slot)
        for filter in filters {
            guard let index = sessions[session].filters.firstIndex(of: filter) else { continue }
            sessions[session].filters.remove(at: index)
            topics.unsubscribe(session, from: filter)
        }
        // [MQTT-3.10.4-5]
        acknowledge(BrokerAcknowledgement(first: 0xB0, packetID: packetID), session, slot)
    }

    /// [MQTT-2.3.1-2]
    private func judgeRequest(_ packetID: UInt16, _ session: Int, _ slot: Int) throws(Breach) {
        if sessions[session].inboundPosition(of: packetID) != nil || sessions[session].withheldPubacks.contains(packetID)
            || sessions[session].withheldPubcomps.contains(packetID) || connections[slot].withheld.contains(packetID)
        {
            throw Breach("MQTT-2.3.1-2", "a request takes identifier \(packetID) of an unfinished exchange")
        }
    }
}
