package import MQTTCore
internal import NIOCore

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// How the operating system treats a TCP connection.
public struct SocketOptions: Sendable, Hashable {
    /// Probes that the operating system sends on an idle connection. PINGREQ does the same through the broker, by
    /// `Configuration.keepAlive`; these reach as far as the next proxy.
    public struct KeepAlive: Sendable, Hashable {
        /// The silence before the first probe, in whole seconds.
        public var idle = Duration.seconds(60)
        /// The time between probes, in whole seconds.
        public var interval = Duration.seconds(10)
        /// So many probes without an answer end the connection.
        public var count = 6

        public init() {}
    }

    /// Sends small packets at once. Packets are coalesced before they are written, so there is nothing to gain without.
    public var noDelay = true
    /// Nil is off.
    public var keepAlive: KeepAlive?
    /// How long sent bytes may go without acknowledgement by the other end until the connection is given up (`TCP_USER_TIMEOUT`). Nil
    /// is the system's choice, often a quarter of an hour. Linux only: elsewhere it throws.
    public var userTimeout: Duration?
    /// The IP address of this machine to connect from.
    public var bindAddress: String?

    public init() {}

    /// - Throws: ``MQTTError/Code/invalidArgument``, and ``MQTTError/Code/unsupported`` for what this system does not have.
    package func check() throws(MQTTError) {
        if let bindAddress, IPAddress.bytes(bindAddress) == nil { throw .denied("bindAddress is not an IP address") }
        if let keepAlive {
            guard Self.seconds(keepAlive.idle) != nil, Self.seconds(keepAlive.interval) != nil, 1...127 ~= keepAlive.count else {
                throw .denied("TCP keep-alive takes 1 to 32,767 whole seconds, and 1 to 127 probes")
            }
        }
        guard let userTimeout else { return }
        #if os(Linux) || os(Android)
            guard Self.milliseconds(userTimeout) != nil else { throw .denied("userTimeout is out of 1 to 2,147,483,647 milliseconds") }
        #else
            throw MQTTError(.unsupported, .denied, "userTimeout is there on Linux only")
        #endif
    }

    private static func seconds(_ duration: Duration) -> CInt? {
        let (seconds, rest) = duration.components
        return rest == 0 && 1...32_767 ~= seconds ? CInt(seconds) : nil
    }

    private static func milliseconds(_ duration: Duration) -> CInt? {
        let milliseconds = duration.nanoseconds / 1_000_000
        return 1...Int64(CInt.max) ~= milliseconds ? CInt(milliseconds) : nil
    }

    /// A channel keeps the last one, so they begin small: most connections are quiet. They grow fast.
    static var readBuffers: AdaptiveRecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 64, initial: 256, maximum: 64 << 10)
    }

    /// What the channel is told. Checked before.
    var channelOptions: [(ChannelOptions.Types.SocketOption, CInt)] {
        var options: [(ChannelOptions.Types.SocketOption, CInt)] = [(.tcpOption(.tcp_nodelay), noDelay ? 1 : 0)]
        if let keepAlive, let idle = Self.seconds(keepAlive.idle), let interval = Self.seconds(keepAlive.interval) {
            #if canImport(Darwin)
                let idleOption = TCP_KEEPALIVE
            #else
                let idleOption = TCP_KEEPIDLE
            #endif
            options += [
                (.socketOption(.so_keepalive), 1), (.tcpOption(.init(rawValue: CInt(idleOption))), idle),
                (.tcpOption(.init(rawValue: CInt(TCP_KEEPINTVL))), interval),
                (.tcpOption(.init(rawValue: CInt(TCP_KEEPCNT))), CInt(keepAlive.count)),
            ]
        }
        #if os(Linux) || os(Android)
            if let milliseconds = userTimeout.flatMap(Self.milliseconds) {
                options.append((.tcpOption(.init(rawValue: CInt(TCP_USER_TIMEOUT))), milliseconds))
            }
        #endif
        return options
    }
}
