/// A CONNECT packet: who the client is, and what it asks of the session (section 3.1).
package struct Connect: Sendable, Equatable {
    package struct Will: Sendable, Equatable {
        package var topic: String
        package var payload: [UInt8]
        package var qos: QoS
        package var retain: Bool

        package init(topic: String, payload: [UInt8], qos: QoS, retain: Bool) {
            self.topic = topic
            self.payload = payload
            self.qos = qos
            self.retain = retain
        }
    }

    package var version: MQTTVersion
    package var clientID: String
    package var cleanSession: Bool
    package var keepAliveSeconds: UInt16
    package var will: Will?
    package var username: String?
    package var password: [UInt8]?

    package init(
        version: MQTTVersion = .v3_1_1, clientID: String, cleanSession: Bool, keepAliveSeconds: UInt16, will: Will? = nil,
        username: String? = nil, password: [UInt8]? = nil
    ) {
        self.version = version
        self.clientID = clientID
        self.cleanSession = cleanSession
        self.keepAliveSeconds = keepAliveSeconds
        self.will = will
        self.username = username
        self.password = password
    }

    /// Everything that can be wrong with it, before a connection is made.
    package func check() throws(MQTTError) {
        try UTF8Rules.check(clientID, "the client identifier")
        if clientID.isEmpty, !cleanSession {
            throw .denied("an empty client identifier needs a clean session", "MQTT-3.1.3-7")
        }
        if let will {
            try TopicName.check(will.topic)
            guard will.payload.count <= 65_535 else {
                throw .denied("the will's payload is longer than 65,535 bytes", "MQTT 3.1.1 section 3.1.3.3")
            }
        }
        if let username { try UTF8Rules.check(username, "the user name") }
        if let password {
            guard username != nil else { throw .denied("a password needs a user name", "MQTT-3.1.2-22") }
            guard password.count <= 65_535 else {
                throw .denied("the password is longer than 65,535 bytes", "MQTT 3.1.1 section 3.1.3.5")
            }
        }
    }

    package var remainingLength: Int {
        var length = 10 + 2 + clientID.utf8.count
        if let will { length += 2 + will.topic.utf8.count + 2 + will.payload.count }
        if let username { length += 2 + username.utf8.count }
        if let password { length += 2 + password.count }
        return length
    }

    package var encodedLength: Int { 1 + variableByteIntegerLength(remainingLength) + remainingLength }

    package func encode(into writer: inout PacketWriter) {
        writer.byte(0x10)
        writer.variableByteInteger(remainingLength)
        writer.string("MQTT")  // [MQTT-3.1.2-1]
        writer.byte(version.rawValue)
        writer.byte(flags)
        writer.integer(keepAliveSeconds)
        // The order of the payload is fixed [MQTT-3.1.3-1].
        writer.string(clientID)
        if let will {
            writer.string(will.topic)
            writer.binary(will.payload)
        }
        if let username { writer.string(username) }
        if let password { writer.binary(password) }
    }

    /// Bit 0 is reserved and 0 [MQTT-3.1.2-3]; without a will its bits are 0 [MQTT-3.1.2-11].
    private var flags: UInt8 {
        var flags: UInt8 = cleanSession ? 0b0000_0010 : 0
        if let will { flags |= 0b0000_0100 | will.qos.rawValue << 3 | (will.retain ? 0b0010_0000 : 0) }
        if password != nil { flags |= 0b0100_0000 }
        if username != nil { flags |= 0b1000_0000 }
        return flags
    }
}
