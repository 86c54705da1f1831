// Connections that never leave the process: a pair of sockets, one end for each side.
public import MQTTTransport
public import NIOCore
internal import NIOPosix
internal import Synchronization

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

extension TestBroker {
    /// Connects a new pair of sockets to the broker and hands out the client's end: without port, path or network.
    ///
    /// The caller closes it, or gives it away, as to `ClientBootstrap.withConnectedSocket`.
    ///
    /// - Throws: An error of the operating system, and ``TestBrokerError`` while the broker is offline.
    public func connectedSocket() throws -> CInt {
        guard isOnline.load(ordering: .acquiring) else { throw TestBrokerError(description: "the broker is offline") }
        let (client, server) = try Self.socketPair()
        let core = core
        let adopted = ClientBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(BrokerLink(core: core.value))
                }
            }
            .withConnectedSocket(server)
        // The bootstrap owns it from here, and closes it when it fails; the client sees the end of its stream then.
        adopted.whenFailure { _ in }
        return client
    }

    private static func socketPair() throws -> (CInt, CInt) {
        #if canImport(Darwin)
            let type = SOCK_STREAM
        #else
            let type = CInt(SOCK_STREAM.rawValue)
        #endif
        var ends: [CInt] = [-1, -1]
        // The call writes two descriptors, and there is room for two.
        let result = unsafe ends.withUnsafeMutableBufferPointer { unsafe socketpair(AF_UNIX, type, 0, $0.baseAddress) }
        guard result == 0 else { throw IOError(errnoCode: errno, reason: "socketpair") }
        return (ends[0], ends[1])
    }

    /// Lets a client connect without a network: give it as the client's dialer.
    public var dialer: InMemoryDialer { InMemoryDialer(broker: self) }
}

/// Dials a ``TestBroker`` in the same process.
public struct InMemoryDialer: Dialer {
    let broker: TestBroker

    public func dial(
        on eventLoop: any EventLoop, timeout: TimeAmount,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        do {
            return ClientBootstrap(group: eventLoop).channelInitializer(initializer).withConnectedSocket(try broker.connectedSocket())
        } catch {
            return eventLoop.makeFailedFuture(error)
        }
    }
}
