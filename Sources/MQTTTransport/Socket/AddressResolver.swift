internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix

/// Says where an attempt to connect goes: the addresses of a name, or an address itself, which nothing has to be asked for.
final class AddressResolver: Resolver, Sendable {
    private let eventLoop: any EventLoop
    private let lookups: NameLookups
    private let rotation: Int
    /// Of the address to connect from. Nil is any.
    private let family: NIOBSDSocket.ProtocolFamily?
    private let found = NIOLockedValueBox(false)
    private let ticket = NIOLockedValueBox<(number: UInt64, host: String)?>(nil)

    /// - Parameter rotation: So many of the first addresses are put to the end: they were of no use.
    init(_ lookups: NameLookups, on eventLoop: any EventLoop, rotation: Int, from local: SocketAddress?) {
        self.lookups = lookups
        self.eventLoop = eventLoop
        self.rotation = rotation
        family = local?.protocol
    }

    /// Whether there are addresses, so that it is a matter of these.
    var hasFound: Bool { found.withLockedValue { $0 } }

    /// All addresses, also those of version 4: SwiftNIO tries them in this order.
    func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        if let address = try? SocketAddress(ipAddress: host, port: port) {
            return eventLoop.makeCompletedFuture(Result { try usable([address], host, port) })
        }
        let (number, addresses) = lookups.addresses(of: host, on: eventLoop)
        ticket.withLockedValue { $0 = (number, host) }
        return addresses.flatMapThrowing { try self.usable($0, host, port) }
    }

    func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> { eventLoop.makeSucceededFuture([]) }

    func cancelQueries() {
        guard let (number, host) = ticket.withLockedValue({ $0 }) else { return }
        lookups.cancel(number, host: host)
    }

    private func usable(_ addresses: [SocketAddress], _ host: String, _ port: Int) throws -> [SocketAddress] {
        let usable = addresses.filter { family == nil || $0.protocol == family }
        guard !usable.isEmpty else { throw NoSuchFamily(host: host) }
        found.withLockedValue { $0 = true }
        return Self.inTurns(usable, rotation: rotation).map { address in
            var address = address
            address.port = port
            return address
        }
    }

    /// The families take turns, beginning with that of the first address (RFC 8305 section 4).
    static func inTurns(_ addresses: [SocketAddress], rotation: Int) -> [SocketAddress] {
        guard let first = addresses.first else { return [] }
        let own = addresses.filter { $0.protocol == first.protocol }
        let other = addresses.filter { $0.protocol != first.protocol }
        var turns: [SocketAddress] = []
        for index in 0..<max(own.count, other.count) {
            if index < own.count { turns.append(own[index]) }
            if index < other.count { turns.append(other[index]) }
        }
        let start = rotation % turns.count
        return Array(turns[start...] + turns[..<start])
    }

    /// There are addresses, but none that goes with the one to connect from.
    struct NoSuchFamily: Error {
        let host: String

        /// For people.
        var text: String { "\(host) has no address of the version of bindAddress" }
    }
}
