// The harness: clients and the broker model on one virtual network. The model decodes, judges and encodes with code of its own.
import MQTTCore
import MQTTTesting

/// Clients of one broker, joined by lossless connections.
struct Pair {
    var broker: BrokerModel
    var clients: [WireClient]
    private var connections: [BrokerModel.ConnectionID?]
    private var lastConnection = 0
    private(set) var published: [ReceivedPublish] = []
    /// Bytes of these clients go nowhere.
    var isCutOff: Set<Int> = []
    /// Whether bytes travel one at a time.
    var isSlow = false

    init(_ clients: WireClient..., broker: BrokerConfiguration = BrokerConfiguration()) {
        self.broker = BrokerModel(configuration: broker)
        self.clients = clients
        connections = clients.map { _ in nil }
    }

    /// Opens a link for a client, and lets both talk until there is nothing left to say.
    mutating func connect(_ index: Int = 0, faults: ConnectionFaults = ConnectionFaults()) {
        lastConnection += 1
        let id = BrokerModel.ConnectionID(lastConnection)
        connections[index] = id
        broker.connectionOpened(id, faults: faults, at: clients[index].now.nanoseconds)
        clients[index].open()
        settle()
    }

    /// The network drops a client's connection, with what is still on its way from the client.
    mutating func cut(_ index: Int = 0) {
        _ = clients[index].takeSent()
        drop(index)
        settle()
    }

    mutating func reconnect(_ index: Int = 0, faults: ConnectionFaults = ConnectionFaults()) {
        cut(index)
        connect(index, faults: faults)
    }

    mutating func advance(by duration: Duration) {
        for _ in 0..<10 {
            for index in clients.indices { clients[index].advance(by: duration / 10) }
            broker.tick(at: now)
            settle()
        }
    }

    private var now: Int64 { clients.map(\.now.nanoseconds).max() ?? 0 }

    private mutating func drop(_ index: Int) {
        guard let id = connections[index] else { return }
        connections[index] = nil
        broker.connectionClosed(id, at: now)
        clients[index].cut()
    }

    /// Moves bytes until nobody has any.
    mutating func settle() {
        var isMoving = true
        while isMoving {
            isMoving = false
            for index in clients.indices {
                let bytes = clients[index].takeSent()
                guard let id = connections[index], !isCutOff.contains(index) else { continue }
                if !bytes.isEmpty {
                    isMoving = true
                    if isSlow {
                        for byte in bytes { broker.received([byte], from: id, at: now) }
                    } else {
                        broker.received(bytes, from: id, at: now)
                    }
                }
                if clients[index].hangsUp { drop(index) }
            }
            for output in broker.takeOutputs() {
                isMoving = true
                carryOut(output)
            }
        }
    }

    private mutating func carryOut(_ output: BrokerModel.Output) {
        switch output {
        case .published(let publish): published.append(publish)
        case .send(let id, let bytes):
            guard let index = connections.firstIndex(of: id) else { return }
            if isSlow { for byte in bytes { clients[index].receive([byte]) } } else { clients[index].receive(bytes) }
        case .close(let id):
            if let index = connections.firstIndex(of: id) { drop(index) } else { broker.connectionClosed(id, at: now) }
        }
    }

    /// What a client got, as topic and text.
    func texts(_ index: Int = 0) -> [String] {
        clients[index].delivered.map { "\($0.topic) \(String(decoding: $0.payload, as: UTF8.self))" }
    }
}

extension WireClient {
    static func named(_ clientID: String, cleanSession: Bool = false, will: Connect.Will? = nil) -> WireClient {
        WireClient(Connect(clientID: clientID, cleanSession: cleanSession, keepAliveSeconds: 60, will: will))
    }
}

/// Bytes of packets as a broker sends them, written by hand.
enum Bytes {
    static let connack: [UInt8] = [0x20, 2, 0, 0]
    static let connackPresent: [UInt8] = [0x20, 2, 1, 0]
    static let mqtt: [UInt8] = [0x00, 0x04, 0x4D, 0x51, 0x54, 0x54]

    /// CONNECT of the client identifier "c" with keep-alive 60.
    static func connect(_ flags: UInt8 = 0) -> [UInt8] { [0x10, 13] + mqtt + [4, flags, 0, 60, 0, 1, 0x63] }

    /// A PUBLISH of topic "t".
    static func publish(_ first: UInt8, _ packetID: UInt16 = 0, _ payload: [UInt8] = []) -> [UInt8] {
        let id: [UInt8] = first & 0b0110 == 0 ? [] : [UInt8(packetID >> 8), UInt8(packetID & 0xFF)]
        return [first, UInt8(3 + id.count + payload.count), 0, 1, 0x74] + id + payload
    }

    static func acknowledgement(_ first: UInt8, _ packetID: UInt16) -> [UInt8] { [first, 2, UInt8(packetID >> 8), UInt8(packetID & 0xFF)] }
}

extension WireClient {
    /// A client "c" that said CONNECT and got CONNACK, with nothing left to take.
    static func online(sessionPresent: Bool = false) -> WireClient {
        var client = WireClient()
        client.open()
        client.receive(sessionPresent ? Bytes.connackPresent : Bytes.connack)
        _ = client.takeSent()
        return client
    }

    /// The network drops the connection, and the next CONNECT is accepted. What follows it is there to take.
    mutating func reconnect(sessionPresent: Bool) {
        cut()
        open()
        _ = takeSent()
        receive(sessionPresent ? Bytes.connackPresent : Bytes.connack)
    }
}
