public import NIOCore

/// Makes network connections for a client: TCP and Unix sockets come with the library, and anything that ends in a SwiftNIO
/// channel can be brought along.
///
/// A connection is an ordered, lossless stream of bytes in both directions [MQTT-7.1.2-1]; a dialer knows no packet.
public protocol Dialer: Sendable {
    /// Makes one connection.
    ///
    /// - Parameters:
    ///   - eventLoop: The channel's event loop. The client runs on it.
    ///   - timeout: Give up after so long, with an error.
    ///   - initializer: To be called on the channel before it becomes active: it adds the client's handler behind those of the
    ///     dialer.
    /// - Returns: The active channel.
    func dial(
        on eventLoop: any EventLoop, timeout: TimeAmount,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel>
}
