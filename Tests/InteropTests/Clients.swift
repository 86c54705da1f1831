// Our own clients of a Mosquitto, and streams of numbered messages between them.
import MQTT
import NIOCore
import Testing

extension Mosquitto {
    /// A broker that accepts connections.
    static func started(_ settings: Settings = Settings()) async throws -> Mosquitto {
        let mosquitto = try await Mosquitto(settings)
        try await mosquitto.start()
        return mosquitto
    }

    /// A client of this broker. It comes back quickly, because the broker does too.
    func client(_ id: String, clean: Bool = false, _ change: (inout Configuration) -> Void = { _ in }) throws -> MQTTClient {
        var configuration = Configuration(broker: .tcp(host: Self.host, port: port), session: .volatile(id: id, clean: clean))
        configuration.reconnect.minimum = .milliseconds(10)
        configuration.reconnect.maximum = .milliseconds(100)
        change(&configuration)
        return try MQTTClient(configuration)
    }

    /// Runs a client for as long as `body` needs it online.
    @discardableResult func withClient<Result>(
        _ id: String, clean: Bool = false, _ change: (inout Configuration) -> Void = { _ in },
        _ body: (MQTTClient) async throws -> Result
    ) async throws -> Result {
        try await client(id, clean: clean, change).run { client in
            try await client.waitUntilOnline()
            return try await body(client)
        }
    }
}

extension Payload {
    /// Eight bytes, most significant first.
    init(number: Int) {
        var buffer = ByteBuffer()
        buffer.writeInteger(UInt64(number))
        self.init(buffer)
    }

    var number: Int? {
        guard let buffer, buffer.readableBytes == 8 else { return nil }
        return buffer.getInteger(at: buffer.readerIndex, as: UInt64.self).map { Int($0) }
    }
}

/// What has arrived of a stream of numbered messages: the first arrivals must be in order, without a gap.
struct Arrivals {
    /// A message is missing, or came too early.
    struct Gap: Error, CustomStringConvertible {
        let description: String
    }

    /// The number of the first message that has not arrived.
    private(set) var next: Int
    private(set) var repeats = 0

    init(from first: Int = 0) { next = first }

    /// Returns whether the message is new.
    @discardableResult mutating func note(_ message: Message) throws -> Bool {
        guard let number = message.payload.number else {
            throw Gap(description: "a message of \(message.payload.count) bytes has no number")
        }
        guard number <= next else { throw Gap(description: "\(number) arrived ahead of \(next)") }
        guard number == next else {
            repeats += 1
            return false
        }
        next += 1
        return true
    }
}

extension MQTTClient {
    /// Publishes numbers as fast as the broker confirms them, and returns when all are confirmed.
    func publish(numbers: Range<Int>, to topic: String, _ qos: QoS) async throws {
        if qos == .atMostOnce {
            for number in numbers { try await publish(Payload(number: number), to: topic) }
            return
        }
        let batch = 500
        var open: [Delivery] = []
        for start in stride(from: numbers.lowerBound, to: numbers.upperBound, by: batch) {
            let part = start..<min(start + batch, numbers.upperBound)
            if open.count >= 4 * batch {
                for delivery in open.prefix(batch) { _ = try await delivery.completed }
                open.removeFirst(batch)
            }
            open += try submit(contentsOf: part.map { Publication(Payload(number: $0), to: topic, qos) })
        }
        for delivery in open { _ = try await delivery.completed }
    }

    /// The states from now on that are worth a test's attention: an online client's loss, and its return.
    func waitForState(_ states: inout ConnectionStates.Iterator, where isWanted: (ConnectionState) -> Bool) async throws -> ConnectionState
    {
        while let state = await states.next() {
            if isWanted(state) { return state }
        }
        throw MQTTError(.closed, .notSent, "the client ended before the state that the test waits for")
    }
}

extension ConnectionState {
    var isOffline: Bool { if case .offline = self { true } else { false } }
    var isOnline: Bool { if case .online = self { true } else { false } }

    /// Why a connection was lost.
    var loss: MQTTError? { if case .offline(let error) = self { error } else { nil } }
    /// Why an attempt to connect failed.
    var failure: MQTTError? { if case .attemptFailed(let error) = self { error } else { nil } }
}

extension Messages {
    /// Takes messages until the stream has reached a number. The last one is acknowledged only with the next request.
    func receive(upTo end: Int, into arrivals: inout Arrivals) async throws {
        guard arrivals.next < end else { return }
        for try await message in self {
            try arrivals.note(message)
            if arrivals.next >= end { return }
        }
    }
}
