public import MQTT
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Received messages that a test sends, in place of a broker.
///
/// The sequences are those of the client: asking for the next message acknowledges the one before, a scope that is left normally
/// acknowledges its last one, and what was not acknowledged is there for the next one who asks. Nothing is bounded.
public final class MessageSource: Sendable {
    private struct State {
        var sent: [Message] = []
        var acknowledged: [Message] = []
        var observers: [AsyncStream<Message>.Continuation] = []
    }

    let feed = MessageFeed(eventLoop: MultiThreadedEventLoopGroup.singleton.any())
    private let state = Mutex(State())

    /// Messages come with ``send(_:)``, until ``finish(throwing:)``.
    public init() {
        feed.onRelease { [weak self] in self?.takeReleases() }
    }

    /// These messages, and then the end.
    public convenience init(_ messages: some Sequence<Message>) {
        self.init()
        for message in messages { send(message) }
        finish()
    }

    /// What no scoped subscription claims. Messages wait until they are asked for.
    public var messages: Messages { feed.messages }

    /// Hands a message to the sequences that its topic belongs to.
    public func send(_ message: Message) {
        let receipt = state.withLock { state -> UInt64 in
            guard message.qos != .atMostOnce else { return 0 }
            state.sent.append(message)
            return UInt64(state.sent.count)
        }
        feed.send(message, receipt: receipt)
    }

    /// Ends all sequences, behind the messages that were sent. With an error they throw it then.
    public func finish(throwing error: MQTTError? = nil) { feed.finish(throwing: error) }

    /// The messages of QoS 1 and 2 that were acknowledged so far, in that order.
    public var acknowledged: [Message] {
        takeReleases()
        return state.withLock { $0.acknowledged }
    }

    /// The messages of QoS 1 and 2 that are acknowledged, from the first on, for waiting for them. It does not end by itself.
    public var acknowledgements: AsyncStream<Message> {
        let (stream, continuation) = AsyncStream.makeStream(of: Message.self)
        state.withLock { state in
            for message in state.acknowledged { continuation.yield(message) }
            state.observers.append(continuation)
        }
        return stream
    }

    private func takeReleases() {
        state.withLock { state in
            for receipt in feed.takeReleases() {
                let message = state.sent[Int(receipt) - 1]
                state.acknowledged.append(message)
                for observer in state.observers { observer.yield(message) }
            }
        }
    }
}

extension Message {
    /// A message as if it was received. For one that is streamed, give it a `Payload(source:)`.
    public init(_ payload: Payload, to topic: String, _ qos: QoS = .atMostOnce, retain: Bool = false, isDuplicate: Bool = false) {
        self.init(topic: topic, payload: payload, qos: qos, retain: retain, isDuplicate: isDuplicate)
    }
}
