public import MQTTCore
public import MQTTTransport

/// Everything that a client can be told. All of it is checked when the client is made; what cannot be honoured throws.
public struct Configuration: Sendable {
    /// Where the broker is.
    public var broker: Broker
    /// Where else it is: asked in this order when ``broker`` fails. One that failed is avoided for a while, at first 10 seconds, up to
    /// 10 minutes when it fails again and again. A connection that is up stays where it is.
    public var fallbacks: [Broker] = []
    /// Who the client is for the broker, and where its session lives.
    public var session: SessionOptions
    public var version = MQTTVersion.v3_1_1
    /// The longest silence of the client, in whole seconds up to 65,535: PINGREQ goes out on its own. Zero is off.
    public var keepAlive = Duration.seconds(60)
    public var username: String?
    /// Up to 65,535 bytes. Needs a user name [MQTT-3.1.2-22].
    public var password: [UInt8]?
    /// The message that the broker publishes when the connection ends without DISCONNECT.
    public var will: Will?
    public var limits = Limits()
    /// What ``MQTTClient/publish(_:to:_:retain:until:)`` of QoS 1 or 2 does while the queue of its level is full.
    public var whenQueueIsFull = QueueFullAction.refuse
    /// The longest silence of a broker that is waited for: from CONNECT to CONNACK, from PINGREQ to PINGRESP, between the bytes of
    /// a packet that has begun to arrive, and while the connection takes no bytes. It is a minimum rate of one byte per duration,
    /// not a total. Then the connection is given up. Zero is off.
    public var pauseTimeout = Duration.seconds(10)
    /// Asked ahead of each attempt to connect, for credentials that expire. Failing is a failed attempt, and so is taking longer than
    /// ``credentialTimeout``: the task is canceled then.
    public var credentialProvider: (@Sendable (Broker) async throws -> Credentials)?
    /// How long ``credentialProvider`` may take.
    public var credentialTimeout = Duration.seconds(10)
    /// How long an attempt to open a connection may take, with its handshakes: those of a proxy, TLS and WebSocket.
    public var connectTimeout = Duration.seconds(10)
    public var reconnect = ReconnectPolicy()
    /// How long `run` waits at its end for what was accepted to be delivered.
    public var drainTimeout = Duration.seconds(5)
    /// Whether subscriptions are made again when the broker has lost the session.
    public var resubscribes = true
    /// Whether a first attempt to connect that fails is followed by more. If not, it ends the client with its error.
    public var retriesFirstConnect = true
    /// Whether requests wait while a connect attempt is under way. They fail with ``MQTTError/Code/down`` once one failed.
    public var requestsWait = true
    /// What happens to messages that no sequence asks for.
    public var unclaimed = UnclaimedPolicy()
    /// Tell that the machine slept: then the connection is tested at once. Nil: those of the operating system.
    public var sleepClocks: SleepClocks?
    /// Where the broker departs from the standard.
    public var profile = BrokerProfile.strict
    /// Brings connections in place of TCP and Unix sockets. What the broker says of TLS holds for them too.
    public var dialer: (any Dialer)?
    package var surroundings = Surroundings()

    public init(broker: Broker, session: SessionOptions) {
        self.broker = broker
        self.session = session
    }

    /// With several brokers, the preferred one first. See ``fallbacks``.
    ///
    /// - Throws: ``MQTTError/Code/invalidArgument`` when there is none.
    public init(brokers: [Broker], session: SessionOptions) throws(MQTTError) {
        guard let first = brokers.first else { throw .denied("a client needs a broker") }
        self.init(broker: first, session: session)
        fallbacks = Array(brokers.dropFirst())
    }
}

/// What a publish of QoS 1 or 2 does while as many are accepted and not complete as ``Limits`` allow. `submit` never waits: it
/// refuses.
public enum QueueFullAction: Sendable, Equatable {
    /// It throws ``MQTTError/Code/tooManyRequests``. Nothing was stored.
    case refuse
    /// It waits until others are complete. Canceled, it has no effect. In a loop over messages whose own queue is full it throws
    /// ``MQTTError/Code/deliveryStalled``: nothing was stored, and the acknowledgements it waits for cannot be read.
    case wait
    /// The oldest of its level that did not go out yet gives way, and its delivery fails with ``MQTTError/Code/evicted``. When all are
    /// on their way, it throws ``MQTTError/Code/tooManyRequests``.
    case dropOldest
    /// Messages that did not go out yet, and that a newer one of their topic has made out of date, give way; their deliveries fail
    /// with ``MQTTError/Code/evicted``. When there is none, it throws ``MQTTError/Code/tooManyRequests``.
    case keepNewestPerTopic
}

/// How long to pause between attempts to connect.
public struct ReconnectPolicy: Sendable, Equatable {
    /// The least pause, and the first one after a loss.
    public var minimum = Duration.milliseconds(100)
    /// The pause grows up to this while attempts fail. After a refusal by the broker it is at its maximum at once.
    public var maximum = Duration.seconds(60)
    /// A connection that was up for so long is good: the next loss begins with the minimum again.
    public var stableTime = Duration.seconds(5)
    /// What follows on a refusal. Those that are not in it: ``Reaction/retrySlowly``.
    public var reactions: [ConnectRefusal: Reaction] = [:]

    public init() {}
}

/// What happens to received messages that no sequence asks for, such as those of a subscription that is left over at the broker.
public struct UnclaimedPolicy: Sendable, Equatable {
    public enum Action: Sendable {
        /// They are acknowledged and dropped, counted and logged.
        case acknowledge
        /// The connection is ended, so that nothing is lost; the reason names the topic.
        case endConnection
    }

    /// How long they are held, without acknowledgement, for a sequence to come.
    public var grace = Duration.seconds(30)
    public var action = Action.acknowledge

    public init() {}
}

/// The session at both ends: the client identifier, and where this end of it lives.
public struct SessionOptions: Sendable {
    enum Place: Sendable {
        case memory
        case durable(any SessionStore, StoreUse)
    }

    let clientID: String
    let clean: Bool
    let place: Place

    var isDurable: Bool { if case .durable = place { true } else { false } }

    /// A session in memory: it survives any number of connections, and ends with the process.
    ///
    /// - Parameters:
    ///   - id: The client identifier. Two clients with the same one throw each other off the broker [MQTT-3.1.4-2]. An empty one
    ///     lets the broker choose, which implies a clean session on every connection [MQTT-3.1.3-7].
    ///   - clean: Ask the broker to forget what it has under this identifier when the first connection is made. Later reconnects
    ///     always ask to continue; but what a broker knows of a clean session ends with its connection [MQTT-3.1.2-6], so after
    ///     the first loss it has forgotten subscriptions and half-done deliveries, as if it had been restarted.
    public static func volatile(id: String, clean: Bool = false) -> SessionOptions {
        SessionOptions(clientID: id, clean: clean || id.isEmpty, place: .memory)
    }

    /// A session on disk: it survives the end of the process and of the machine.
    ///
    /// The client that is made with it takes the store for itself, reads it, and goes on with what is in it. That blocks the calling
    /// thread for as long as the disk takes: with 1,000,000 queued messages it took 0.52 seconds, and the memory of the process was at
    /// most 127 MiB. The store is free for the next client when this one has ended.
    ///
    /// - Parameters:
    ///   - id: The client identifier. It is kept in the store, and a store of another one is refused. An empty one takes what is in
    ///     the store.
    ///   - directory: A directory for this session alone. It is made when it is not there.
    ///   - start: Whether to go on with what is there, or to remove it.
    ///   - durability: How soon a message is safe from a power cut. A crash of the process alone loses nothing with any of them.
    ///   - clean: As with ``volatile(id:clean:)``.
    public static func durable(
        id: String, at directory: String, _ start: Start = .resume, durability: Durability = .everyCommit, clean: Bool = false
    ) -> SessionOptions {
        durable(id: id, in: JournalSessionStore(at: directory, durability: durability), start, clean: clean)
    }

    /// A session in a store of your choice, such as ``DirectorySessionStore`` or one of your own.
    public static func durable(
        id: String, in store: any SessionStore, _ start: Start = .resume, clean: Bool = false
    ) -> SessionOptions {
        SessionOptions(clientID: id, clean: clean, place: .durable(store, start == .new ? .new : .resume))
    }

    /// How a durable session begins.
    public enum Start: Sendable {
        /// It goes on with what the store holds, which may be nothing.
        case resume
        /// It is empty: what the store held under the same client identifier is removed.
        case new
    }
}

/// A message that the broker publishes for a client that vanished.
public struct Will: Sendable {
    public var payload: [UInt8]
    public var topic: String
    public var qos: QoS
    public var retain: Bool

    public init(_ payload: some Sequence<UInt8>, to topic: String, _ qos: QoS = .atMostOnce, retain: Bool = false) {
        self.payload = Array(payload)
        self.topic = topic
        self.qos = qos
        self.retain = retain
    }

    /// With a text as payload.
    public init(_ payload: String, to topic: String, _ qos: QoS = .atMostOnce, retain: Bool = false) {
        self.init(payload.utf8, to: topic, qos, retain: retain)
    }
}
