import NIOCore
import NIOPosix
import Synchronization

/// What goes wrong between client and broker.
enum Fault: String, CaseIterable, Sendable {
    /// Both ends are closed at once: with a reset, as by a router.
    case cut
    /// So many bytes later, wherever that is in a packet.
    case cutWithin
    /// Nothing passes for a while; then everything does.
    case stall
    /// Everything is taken, nothing is passed on, and nobody is told.
    case halfOpen
    /// One byte at a time for a while.
    case dribble
    /// The next connections are closed as soon as they are there.
    case refuse
    /// The next connection is taken, and never answered.
    case blackHole
}

/// A TCP proxy on loopback that breaks what passes through it.
final class FaultProxy: Sendable {
    private let eventLoop: any EventLoop
    private let target: Int
    private let state: NIOLoopBound<ProxyState>
    private let listener = Mutex<(any Channel)?>(nil)

    /// What is only looked at on the event loop.
    final class ProxyState {
        var links: [ObjectIdentifier: ProxyLink] = [:]
        var refusals = 0
        var blackHoles = 0
    }

    /// - Parameter target: The port of the broker.
    init(target: Int, on eventLoop: any EventLoop) async throws {
        self.eventLoop = eventLoop
        self.target = target
        state = try await eventLoop.submit { NIOLoopBound(ProxyState(), eventLoop: eventLoop) }.get()
        let (state, target) = (state, target)
        let channel = try await ServerBootstrap(group: eventLoop)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let link = ProxyLink(state: state.value)
                    try channel.pipeline.syncOperations.addHandler(ProxyEnd(link, .client))
                    FaultProxy.connect(link, to: target, client: channel)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        listener.withLock { $0 = channel }
    }

    var port: Int { listener.withLock { $0?.localAddress?.port ?? 0 } }

    private static func connect(_ link: ProxyLink, to target: Int, client: any Channel) {
        if link.state.refusals > 0 {
            link.state.refusals -= 1
            return client.close(promise: nil)
        }
        if link.state.blackHoles > 0 {
            link.state.blackHoles -= 1
            link.begin(.halfOpen, for: .zero, bytes: 0)
            return client.read()
        }
        let bound = NIOLoopBound(link, eventLoop: client.eventLoop)
        ClientBootstrap(group: client.eventLoop)
            .channelOption(.autoRead, value: false)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ProxyEnd(bound.value, .broker))
                }
            }
            .connect(host: "127.0.0.1", port: target)
            .assumeIsolated().whenComplete { result in
                if case .failure = result { client.close(promise: nil) }
            }
    }

    /// Breaks every connection that there is, or the next ones. Returns how many that were.
    func inject(_ fault: Fault, for duration: Duration, bytes: Int) async throws -> Int {
        let state = state
        return try await eventLoop.submit {
            switch fault {
            case .refuse: state.value.refusals += 1 + bytes % 3
            case .blackHole: state.value.blackHoles += 1
            case .cut, .cutWithin, .stall, .halfOpen, .dribble:
                for link in state.value.links.values { link.begin(fault, for: TimeAmount(duration), bytes: bytes) }
                return state.value.links.count
            }
            // They need a connection to come.
            for link in state.value.links.values { link.begin(.cut, for: .zero, bytes: 0) }
            return state.value.links.count
        }.get()
    }

    /// From now on everything passes.
    func heal() async throws {
        let state = state
        try await eventLoop.submit {
            state.value.refusals = 0
            state.value.blackHoles = 0
            for link in state.value.links.values { link.heal() }
        }.get()
    }

    func stop() async throws {
        if let channel = listener.withLock({ $0.take() }) { try await channel.close() }
        _ = try await inject(.cut, for: .zero, bytes: 0)
    }
}
