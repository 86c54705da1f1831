package import MQTTTransport

/// Everything that can be wrong with a configuration shows here, before any connection is made.
extension Configuration {
    /// The session's part of it.
    func sessionConfiguration() throws(MQTTError) -> SessionConfiguration {
        guard version == .v3_1_1 else { throw MQTTError(.unsupported, .denied, "MQTT 5.0 is not supported yet") }
        try limits.check()
        try profile.check(self)
        var result = SessionConfiguration()
        result.version = version
        result.cleanSession = session.clean
        result.isDurable = session.isDurable
        result.alwaysCleanSession = session.clientID.isEmpty
        result.keepAliveSeconds = try keepAliveSeconds()
        result.pauseTimeout = try nanoseconds(pauseTimeout, "pauseTimeout")
        result.reconnectMinimum = try nanoseconds(reconnect.minimum, "reconnect.minimum")
        result.reconnectMaximum = try nanoseconds(reconnect.maximum, "reconnect.maximum")
        guard reconnect.minimum <= reconnect.maximum else { throw .denied("reconnect.minimum is above reconnect.maximum") }
        result.stableTime = try nanoseconds(reconnect.stableTime, "reconnect.stableTime")
        guard credentialTimeout > .zero else { throw .denied("credentialTimeout must be above zero") }
        guard connectTimeout > .zero else { throw .denied("connectTimeout must be above zero") }
        _ = try nanoseconds(drainTimeout, "drainTimeout")
        _ = try nanoseconds(unclaimed.grace, "unclaimed.grace")
        result.retriesFirstConnect = retriesFirstConnect
        result.requestsWait = requestsWait
        result.limits = profile.lowered(limits)
        return result
    }

    /// The CONNECT packet, but for the clean session flag.
    func connectPacket(clientID: String, _ broker: Broker) throws(MQTTError) -> Connect {
        let packet = Connect(
            version: version, clientID: clientID, cleanSession: session.clean, keepAliveSeconds: try keepAliveSeconds(),
            will: will.map { Connect.Will(topic: $0.topic, payload: $0.payload, qos: $0.qos, retain: $0.retain) },
            username: username ?? broker.username, password: password ?? broker.password.map { Array($0.utf8) })
        try packet.check()
        return packet
    }

    /// What CONNECT says of the user, for `mqttc test`, which has packets of its own to try.
    package var credentials: (username: String?, password: [UInt8]?) {
        (username ?? broker.username, password ?? broker.password.map { Array($0.utf8) })
    }

    /// The way to the broker, for `mqttc test` too.
    package func makeDialer() throws(MQTTError) -> any Dialer {
        try Route(profile.completed(broker), base: dialer).dialer
    }

    private func keepAliveSeconds() throws(MQTTError) -> UInt16 {
        let seconds = keepAlive.components.seconds
        guard keepAlive.components.attoseconds == 0, 0...65_535 ~= seconds else {
            throw .denied("keepAlive must be 0 to 65,535 whole seconds", "MQTT 3.1.1 section 3.1.2.10")
        }
        return UInt16(seconds)
    }

    private func nanoseconds(_ duration: Duration, _ name: String) throws(MQTTError) -> Int64 {
        guard duration >= .zero else { throw .denied("\(name) is negative") }
        return duration.nanoseconds
    }
}
