public import NIOCore
internal import NIOPosix
internal import Synchronization

/// An MQTT 3.1.1 broker inside the process, **for tests and demonstrations**: it keeps everything in memory, trusts its operator,
/// and is strict with clients instead of lenient.
///
/// It offers QoS 0 to 2, wildcards, retained messages, wills and sessions across reconnects; breaks things on demand
/// (``FaultPlan``); and reports every rule of the standard that a client breaks (``violations``).
public final class TestBroker: Sendable {
    public struct Configuration: Sendable {
        public var broker = BrokerConfiguration()
        public var address = Address.tcp()
        public var faults = FaultPlan()
        /// How many of the latest received messages are kept, as far as 64 MiB of payload go. Zero keeps none and is fastest;
        /// nothing can be awaited then but connections and violations.
        public var recordLimit = 10_000
        /// Whether clients that publish wait while a subscriber's queue is more than half full, for a second at most without
        /// headway. Otherwise messages beyond the limits of the queue are dropped at once.
        public var pausesPublishers = true

        public init() {}
    }

    public enum Address: Sendable, Equatable {
        /// Port 0 is any free one.
        case tcp(host: String = "127.0.0.1", port: Int = 0)
        case unix(path: String)
        /// No address: clients connect with ``TestBroker/dialer``.
        case inMemory
    }

    /// The broker at one moment.
    public struct Snapshot: Sendable {
        public var connectedClients: [String]
        /// The latest received messages, oldest first.
        public var received: [ReceivedPublish]
        public var receivedCount: Int
        public var violations: [Violation]
        public var suspicions: [Violation]
        /// Messages that were dropped because a client did not keep up.
        public var droppedCount: Int
        /// Connections accepted since the start.
        public var connectionCount: Int
    }

    let eventLoop: any EventLoop
    let core: NIOLoopBound<BrokerCore>
    private let configured: Address
    private let listener = Mutex<(any Channel)?>(nil)
    private let boundPort = Atomic<Int>(0)
    let isOnline = Atomic<Bool>(false)
    private let lastWait = Atomic<Int>(0)

    private init(_ configuration: Configuration, eventLoop: any EventLoop) async throws {
        self.eventLoop = eventLoop
        configured = configuration.address
        core = try await eventLoop.submit { NIOLoopBound(BrokerCore(configuration, eventLoop: eventLoop), eventLoop: eventLoop) }.get()
    }

    /// Starts a broker. It runs until ``stop()``.
    ///
    /// - Throws: What the operating system says about the address.
    public static func start(_ configuration: Configuration = Configuration(), on eventLoop: (any EventLoop)? = nil) async throws
        -> TestBroker
    {
        let broker = try await TestBroker(configuration, eventLoop: eventLoop ?? MultiThreadedEventLoopGroup.singleton.any())
        try await broker.listen()
        return broker
    }

    /// The TCP port, the same after a restart; 0 when the address is another.
    public var port: Int { boundPort.load(ordering: .acquiring) }

    private func listen() async throws {
        let core = core
        let bootstrap = ServerBootstrap(group: eventLoop)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(BrokerLink(core: core.value))
                }
            }
        let channel: (any Channel)?
        switch configured {
        case .tcp(let host, let port):
            channel =
                try await bootstrap
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .bind(host: host, port: self.port == 0 ? port : self.port).get()
            boundPort.store(channel?.localAddress?.port ?? 0, ordering: .releasing)
        case .unix(let path):
            channel = try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        case .inMemory: channel = nil
        }
        listener.withLock { $0 = channel }
        isOnline.store(true, ordering: .releasing)
    }

    /// Stops listening and breaks all connections, as the process of a broker that dies: wills are not published. The state stays,
    /// for ``goOnline(keepingState:)``.
    public func goOffline() async throws {
        isOnline.store(false, ordering: .releasing)
        if let channel = listener.withLock({ $0.take() }) { try await channel.close() }
        try await operate { model, now in model.restart(keepingState: true, at: now) }
        let core = core
        try await eventLoop.submit { core.value.cutAll() }.get()
    }

    /// Listens again on the same address, as the process of a broker that came back: with the sessions that are meant to be kept and
    /// the retained messages, or with nothing.
    public func goOnline(keepingState: Bool = true) async throws {
        try await operate { model, now in model.restart(keepingState: keepingState, at: now) }
        try await listen()
    }

    public func restart(keepingState: Bool) async throws {
        try await goOffline()
        try await goOnline(keepingState: keepingState)
    }

    /// Ends the broker. Waiting calls throw `CancellationError`.
    public func stop() async throws {
        try await goOffline()
        let core = core
        try await eventLoop.submit {
            core.value.stopTimer()
            core.value.record.finish()
        }.get()
    }

    func operate<Result: Sendable>(_ body: @escaping @Sendable (inout BrokerModel, Int64) -> Result) async throws -> Result {
        let core = core
        return try await eventLoop.submit { core.value.operate(body) }.get()
    }

    // MARK: Waiting

    /// Returns as soon as the condition holds; at once when it does.
    ///
    /// - Throws: `CancellationError` when the task is cancelled or the broker stops.
    public func wait(until condition: @escaping @Sendable (Snapshot) -> Bool) async throws {
        let core = core
        let number = lastWait.wrappingAdd(1, ordering: .relaxed).newValue
        try await withTaskCancellationHandler {
            try Task.checkCancellation()
            try await withCheckedThrowingContinuation { continuation in
                eventLoop.execute {
                    guard !condition(core.value.snapshot) else { return continuation.resume() }
                    core.value.record.wait(number, until: condition, continuation)
                }
            }
        } onCancel: {
            eventLoop.execute { core.value.record.cancelWait(number) }
        }
    }

    /// The messages from now on. One that is not iterated keeps the latest ones up to `limit` and forgets the older.
    public func receivedPublishes(buffering limit: Int = 10_000) async throws -> AsyncStream<ReceivedPublish> {
        let core = core
        let (stream, continuation) = AsyncStream<ReceivedPublish>.makeStream(bufferingPolicy: .bufferingNewest(limit))
        let number = try await eventLoop.submit { core.value.record.addStream(continuation) }.get()
        let eventLoop = eventLoop
        continuation.onTermination = { _ in eventLoop.execute { core.value.record.removeStream(number) } }
        return stream
    }
}
