/// A message that the broker took over from a client.
public struct ReceivedPublish: Sendable, Equatable {
    public var clientID: String
    public var topicBytes: [UInt8]
    public var payload: [UInt8]
    public var qos: UInt8
    public var retain: Bool
    public var isDuplicate: Bool
    /// Zero at QoS 0, where there is none.
    public var packetID: UInt16

    public var topic: String { String(decoding: topicBytes, as: UTF8.self) }
}

extension BrokerModel {
    /// A number that the caller gives to a connection, never to two.
    package struct ConnectionID: Hashable, Sendable {
        package let number: Int
        package init(_ number: Int) { self.number = number }
    }

    package enum Output: Sendable, Equatable {
        /// Bytes for the client. Large payloads come as a `send` of their own, sharing the storage of the message.
        case send(ConnectionID, [UInt8])
        /// Everything sent before is still to be written. `connectionClosed` must follow.
        case close(ConnectionID)
        /// The broker owns this message now: at arrival for every QoS, once for an exchange at QoS 2.
        case published(ReceivedPublish)
    }

    /// How many messages went where no client will see them.
    package struct Losses: Sendable, Equatable {
        /// QoS 0 to a client that did not keep up.
        package var droppedAtMostOnce = 0
        /// QoS 1 and 2 beyond `queueLimit` or `queueBytesLimit`.
        package var droppedByQueueLimit = 0
    }
}

/// A rule of the standard that a client broke, or seems to have broken.
public struct Violation: Sendable, Equatable, CustomStringConvertible {
    /// The normative statement, such as `MQTT-3.1.0-2`.
    public var statement: String
    public var detail: String
    /// Empty before CONNECT.
    public var clientID: String
    public var connection: Int

    public var description: String { "[\(statement)] \(detail) (client \"\(clientID)\", connection \(connection))" }
}

/// What a check throws; the model adds who did it.
struct Breach: Error, Equatable {
    let statement: String
    let detail: String

    init(_ statement: String, _ detail: String) {
        self.statement = statement
        self.detail = detail
    }
}
