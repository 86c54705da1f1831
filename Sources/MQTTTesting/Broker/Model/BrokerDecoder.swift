/// A packet from a client. Texts and payloads are ranges of the bytes that it was decoded from.
enum BrokerPacket {
    case connect(BrokerConnect)
    case publish(BrokerPublishHead)
    case puback(UInt16)
    case pubrec(UInt16)
    case pubrel(UInt16)
    case pubcomp(UInt16)
    case subscribe(UInt16, [(filter: [UInt8], qos: UInt8)])
    case unsubscribe(UInt16, [[UInt8]])
    case pingreq
    case disconnect
}

struct BrokerPublishHead {
    var isDuplicate: Bool
    var qos: UInt8
    var retain: Bool
    /// Not yet checked: the text of a repeated topic need not be checked again.
    var topic: Range<Int>
    var packetID: UInt16
    var payload: Range<Int>
}

/// The size of a packet, known from its first two to five bytes.
enum BrokerFrame: Equatable {
    case incomplete
    case complete(header: Int, total: Int)

    init(_ bytes: [UInt8], at start: Int) throws(Breach) {
        var length = 0
        var index = start + 1
        var shift = 0
        while index < bytes.count {
            let byte = bytes[index]
            length |= Int(byte & 0x7F) << shift
            index += 1
            if byte & 0x80 == 0 {
                self = .complete(header: index - start, total: index - start + length)
                return
            }
            shift += 7
            // Table 2.4: the fourth byte is the last.
            if shift == 28 { throw Breach("MQTT-4.8.0-1", "a remaining length of more than four bytes") }
        }
        self = .incomplete
    }
}

/// The decoder of the broker, written from the standard apart from the client's, and as strict as a server has to be.
struct BrokerDecoder {
    private let bytes: [UInt8]
    private var index: Int
    private let end: Int

    private init(_ bytes: [UInt8], _ body: Range<Int>) {
        self.bytes = bytes
        self.index = body.lowerBound
        self.end = body.upperBound
    }

    /// Decodes the packet whose fixed header starts at `start` and whose body is `body`.
    static func decode(_ bytes: [UInt8], at start: Int, body: Range<Int>) throws(Breach) -> BrokerPacket {
        let first = bytes[start]
        let flags = first & 0x0F
        var decoder = BrokerDecoder(bytes, body)
        switch first >> 4 {
        case 3: return .publish(try decoder.publish(flags))
        case 4: return .puback(try decoder.acknowledgement(flags, 0, "MQTT-2.2.2-2"))
        case 5: return .pubrec(try decoder.acknowledgement(flags, 0, "MQTT-2.2.2-2"))
        case 6: return .pubrel(try decoder.acknowledgement(flags, 2, "MQTT-3.6.1-1"))
        case 7: return .pubcomp(try decoder.acknowledgement(flags, 0, "MQTT-2.2.2-2"))
        case 1: return .connect(try decoder.connect(flags))
        case 8: return try decoder.subscribe(flags)
        case 10: return try decoder.unsubscribe(flags)
        case 12:
            try decoder.empty(flags, "MQTT-2.2.2-2")
            return .pingreq
        case 14:
            try decoder.empty(flags, "MQTT-3.14.1-1")
            return .disconnect
        case 2, 9, 11, 13: throw Breach("MQTT-4.8.0-1", "a packet type that only a server sends")
        default: throw Breach("MQTT-4.8.0-1", "a reserved packet type")
        }
    }

    /// The head of a PUBLISH, without a look at its payload.
    static func publishHead(_ bytes: [UInt8], at start: Int, body: Range<Int>) throws(Breach) -> BrokerPublishHead {
        var decoder = BrokerDecoder(bytes, body)
        return try decoder.publish(bytes[start] & 0x0F)
    }

    private mutating func publish(_ flags: UInt8) throws(Breach) -> BrokerPublishHead {
        let qos = (flags >> 1) & 3
        if qos == 3 { throw Breach("MQTT-3.3.1-4", "PUBLISH with both QoS bits set") }
        let isDuplicate = flags & 8 != 0
        if isDuplicate, qos == 0 { throw Breach("MQTT-3.3.1-2", "DUP on a PUBLISH at QoS 0") }
        let topic = try block("MQTT-3.3.2-1")
        let packetID = qos == 0 ? 0 : try identifier()
        return BrokerPublishHead(
            isDuplicate: isDuplicate, qos: qos, retain: flags & 1 != 0, topic: topic, packetID: packetID, payload: index..<end)
    }

    private mutating func acknowledgement(_ flags: UInt8, _ expected: UInt8, _ statement: String) throws(Breach) -> UInt16 {
        if flags != expected { throw Breach(statement, "wrong flags in an acknowledgement") }
        guard end - index == 2 else { throw Breach("MQTT-4.8.0-1", "an acknowledgement is not two bytes long") }
        return try identifier()
    }

    private mutating func subscribe(_ flags: UInt8) throws(Breach) -> BrokerPacket {
        if flags != 2 { throw Breach("MQTT-3.8.1-1", "wrong flags in SUBSCRIBE") }
        let packetID = try identifier()
        var filters: [(filter: [UInt8], qos: UInt8)] = []
        while index < end {
            let range = try block("MQTT-3.8.3-1")
            try BrokerText.checkFilter(bytes, range)
            let qos = try byte("SUBSCRIBE ends before a QoS")
            if qos > 2 { throw Breach("MQTT-3-8.3-4", "a requested QoS other than 0, 1 or 2") }
            filters.append((Array(bytes[range]), qos))
        }
        if filters.isEmpty { throw Breach("MQTT-3.8.3-3", "SUBSCRIBE without a filter") }
        return .subscribe(packetID, filters)
    }

    private mutating func unsubscribe(_ flags: UInt8) throws(Breach) -> BrokerPacket {
        if flags != 2 { throw Breach("MQTT-3.10.1-1", "wrong flags in UNSUBSCRIBE") }
        let packetID = try identifier()
        var filters: [[UInt8]] = []
        while index < end {
            let range = try block("MQTT-3.10.3-1")
            try BrokerText.checkFilter(bytes, range)
            filters.append(Array(bytes[range]))
        }
        if filters.isEmpty { throw Breach("MQTT-3.10.3-2", "UNSUBSCRIBE without a filter") }
        return .unsubscribe(packetID, filters)
    }

    private func empty(_ flags: UInt8, _ statement: String) throws(Breach) {
        if flags != 0 { throw Breach(statement, "wrong flags in PINGREQ or DISCONNECT") }
        if index != end { throw Breach("MQTT-4.8.0-1", "PINGREQ or DISCONNECT with a body") }
    }
}

// MARK: - Fields

extension BrokerDecoder {
    fileprivate mutating func identifier() throws(Breach) -> UInt16 {
        let value = try integer("a packet ends before its packet identifier")
        if value == 0 { throw Breach("MQTT-2.3.1-1", "packet identifier 0") }
        return value
    }

    fileprivate mutating func integer(_ detail: @autoclosure () -> String) throws(Breach) -> UInt16 {
        guard end - index >= 2 else { throw Breach("MQTT-4.8.0-1", detail()) }
        let value = UInt16(bytes[index]) << 8 | UInt16(bytes[index + 1])
        index += 2
        return value
    }

    fileprivate mutating func byte(_ detail: @autoclosure () -> String) throws(Breach) -> UInt8 {
        guard index < end else { throw Breach("MQTT-4.8.0-1", detail()) }
        index += 1
        return bytes[index - 1]
    }

    /// The range of a field that has its length in front.
    fileprivate mutating func block(_ statement: String) throws(Breach) -> Range<Int> {
        guard end - index >= 2 else { throw Breach(statement, "a packet ends before a field") }
        let length = Int(bytes[index]) << 8 | Int(bytes[index + 1])
        guard end - index - 2 >= length else { throw Breach(statement, "a packet ends inside a field") }
        let range = index + 2..<index + 2 + length
        index = range.upperBound
        return range
    }

    fileprivate mutating func text(_ statement: String) throws(Breach) -> [UInt8] {
        let range = try block(statement)
        try BrokerText.check(bytes, range)
        return Array(bytes[range])
    }
}

// MARK: - CONNECT

struct BrokerConnect {
    /// The properties of level 5 will be a field here.
    var level: UInt8
    var isClean = true
    var keepAliveSeconds: UInt16 = 0
    var clientID: [UInt8] = []
    var will: BrokerMessage?
    var userName: [UInt8]?
    var password: [UInt8]?
}

extension BrokerDecoder {
    fileprivate mutating func connect(_ flags: UInt8) throws(Breach) -> BrokerConnect {
        if flags != 0 { throw Breach("MQTT-2.2.2-2", "wrong flags in CONNECT") }
        let name = try block("MQTT-3.1.4-1")
        guard bytes[name].elementsEqual("MQTT".utf8) else { throw Breach("MQTT-3.1.2-1", "the protocol name is not MQTT") }
        var connect = BrokerConnect(level: try byte("CONNECT ends before its level"))
        // What follows is laid out by the level; of an unknown one nothing more can be read.
        guard connect.level == 4 else { return connect }
        let connectFlags = try byte("CONNECT ends before its flags")
        try Self.check(connectFlags: connectFlags)
        connect.isClean = connectFlags & 0x02 != 0
        connect.keepAliveSeconds = try integer("CONNECT ends before its keep-alive")
        connect.clientID = try text("MQTT-3.1.3-3")
        if connectFlags & 0x04 != 0 {
            let topic = try block("MQTT-3.1.2-9")
            try BrokerText.checkTopicName(bytes, topic)
            let payload = try block("MQTT-3.1.2-9")
            connect.will = BrokerMessage(
                topic: Array(bytes[topic]), payload: Array(bytes[payload]), qos: (connectFlags >> 3) & 3,
                retain: connectFlags & 0x20 != 0)
        }
        if connectFlags & 0x80 != 0 { connect.userName = try text("MQTT-3.1.2-19") }
        if connectFlags & 0x40 != 0 { connect.password = Array(bytes[try block("MQTT-3.1.2-21")]) }
        // [MQTT-3.1.2-18] and its likes: what no flag announces must not be there.
        if index != end { throw Breach("MQTT-3.1.4-1", "CONNECT is longer than its flags say") }
        return connect
    }

    private static func check(connectFlags flags: UInt8) throws(Breach) {
        if flags & 0x01 != 0 { throw Breach("MQTT-3.1.2-3", "the reserved connect flag is set") }
        let willQoS = (flags >> 3) & 3
        if flags & 0x04 == 0 {
            if willQoS != 0 { throw Breach("MQTT-3.1.2-13", "a will QoS without a will") }
            if flags & 0x20 != 0 { throw Breach("MQTT-3.1.2-15", "will retain without a will") }
        }
        if willQoS == 3 { throw Breach("MQTT-3.1.2-14", "will QoS 3") }
        if flags & 0x40 != 0, flags & 0x80 == 0 { throw Breach("MQTT-3.1.2-22", "a password without a user name") }
    }
}
