import NIOCore

@testable import BrokerModel
@testable import MQTT
@testable import MQTTCore

/// Bytes of two clients, cut anywhere. Nothing traps the broker, and what it answers is what the client's own decoder, written
/// apart, takes.
func fuzzBroker(_ bytes: [UInt8]) {
    var input = Input(bytes)
    var fuzz = BrokerFuzz(&input)
    while !input.isAtEnd { fuzz.act(&input) }
    fuzz.finish()
}

private struct BrokerFuzz {
    /// Client "a" with a session that stays, at level 4.
    private static let connect: [UInt8] = [0x10, 13, 0, 4] + Array("MQTT".utf8) + [4, 0, 0, 10, 0, 1, UInt8(ascii: "a")]
    private static let subscribe: [UInt8] = [0x82, 6, 0, 1, 0, 1, UInt8(ascii: "#"), 2]

    private var broker: BrokerModel
    private var now: Int64 = 0
    private var framers: [Int: PacketFramer] = [:]
    private var numbers = [0, 0]
    private var last = 0

    init(_ input: inout Input) {
        var configuration = BrokerConfiguration()
        configuration.inFlightLimit = 1 + input.number(below: 4)
        configuration.queueLimit = 1 + input.number(below: 8)
        configuration.maximumQoS = UInt8(input.number(below: 3))
        configuration.payloadsAreUnique = input.flag()
        configuration.unsentLimit = input.flag() ? .max : 100
        broker = BrokerModel(configuration: configuration)
    }

    mutating func act(_ input: inout Input) {
        let client = input.number(below: 2)
        switch input.number(below: 10) {
        case 0: open(client, &input)
        case 1: feed(Self.connect, client)
        case 2: feed(Self.subscribe, client)
        case 3: feed(input.take(Int(input.byte())), client)
        case 4: for piece in pieces(of: input.take(Int(input.byte())), seed: 3) { feed(piece, client) }
        case 5: feed(input.take(2 + input.number(below: 4)), client)
        case 6: broker.connectionClosed(BrokerModel.ConnectionID(numbers[client]), at: now)
        case 7:
            now += Int64(input.byte()) * 100_000_000
            broker.tick(at: now)
        case 8: broker.restart(keepingState: input.flag(), at: now)
        default: _ = broker.duplicateLastPublish(to: "a", at: now)
        }
        takeOutputs()
    }

    private mutating func open(_ client: Int, _ input: inout Input) {
        var faults = ConnectionFaults()
        let choice = input.byte()
        faults.losesSession = choice & 1 != 0
        faults.closesBeforeConnack = choice & 0x0E == 0x0E
        faults.swallowedAcknowledgements = Int(choice >> 4 & 1)
        faults.reorderSeed = choice & 0x20 != 0 ? UInt64(choice) : nil
        faults.duplicatesEvery = choice & 0x40 != 0 ? 2 : nil
        broker.connectionClosed(BrokerModel.ConnectionID(numbers[client]), at: now)
        last += 1
        numbers[client] = last
        framers[last] = PacketFramer(maximumPacketSize: 1 << 20)
        broker.connectionOpened(BrokerModel.ConnectionID(last), faults: faults, at: now)
    }

    private mutating func feed(_ bytes: [UInt8], _ client: Int) {
        broker.received(bytes, from: BrokerModel.ConnectionID(numbers[client]), at: now)
    }

    private mutating func takeOutputs() {
        for output in broker.takeOutputs() {
            switch output {
            case .send(let id, let bytes):
                check(bytes, id.number)
                broker.written(bytes.count, to: id, at: now)
            case .close(let id): broker.connectionClosed(id, at: now)
            case .published(let publish): require(publish.qos < 3, "a publish has QoS \(publish.qos)")
            }
        }
    }

    private mutating func check(_ bytes: [UInt8], _ connection: Int) {
        guard var framer = framers[connection] else { return require(false, "bytes for connection \(connection), which never was") }
        let buffer = ByteBuffer(bytes: bytes)
        var position = 0
        do throws(ProtocolViolation) {
            while try framer.next(buffer, buffer.readableBytesUInt8Span, &position) != nil {}
        } catch { require(false, "the broker sends \(bytes), which is a violation: \(error)") }
        require(!framer.isMidPacket, "the broker ends within a packet: \(bytes)")
        framers[connection] = framer
    }

    mutating func finish() {
        for number in numbers { broker.connectionClosed(BrokerModel.ConnectionID(number), at: now) }
        takeOutputs()
        require(broker.connectedClients.isEmpty, "a client is connected without a connection")
    }
}
