internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix

/// The look-ups of names that are under way in this process, on threads of their own.
///
/// SwiftNIO's look-ups of an event loop wait for each other, those of addresses too: a name server that does not answer would hold up every
/// client of the loop, and the way to a second broker. Here a name holds up nobody else. Who asks for a name that is being looked up shares
/// the answer; a look-up that takes long gets a second one, which may find a network that has come back.
final class NameLookups: Sendable {
    typealias Lookup = @Sendable (_ host: String) throws -> [SocketAddress]

    static let shared = NameLookups { host in try NameLookup.addresses(of: host) }

    private struct Name {
        /// Under way.
        var lookups = 0
        var startedLast = NIODeadline.uptimeNanoseconds(0)
        var waiting: [UInt64: EventLoopPromise<[SocketAddress]>] = [:]
    }

    private struct State {
        var names: [String: Name] = [:]
        var lastTicket: UInt64 = 0
        var isStarted = false
    }

    private static let lookupsPerName = 2
    private static let patience = TimeAmount.seconds(5)

    private let lookup: Lookup
    private let threads = NIOThreadPool(numberOfThreads: 8)
    private let state = NIOLockedValueBox(State())

    init(_ lookup: @escaping Lookup) { self.lookup = lookup }

    /// - Returns: A number to cancel it by, and the addresses or ``NameLookup/Failure``.
    func addresses(of host: String, on eventLoop: any EventLoop) -> (ticket: UInt64, EventLoopFuture<[SocketAddress]>) {
        let promise = eventLoop.makePromise(of: [SocketAddress].self)
        let now = eventLoop.now
        let (ticket, isNew) = state.withLockedValue { state in
            // Within the lock: what is submitted to threads that have not started runs at once, on this one.
            if !state.isStarted { threads.start() }
            state.isStarted = true
            state.lastTicket += 1
            var name = state.names[host] ?? Name()
            name.waiting[state.lastTicket] = promise
            let isNew = name.lookups == 0 || name.lookups < Self.lookupsPerName && now - name.startedLast >= Self.patience
            if isNew {
                name.lookups += 1
                name.startedLast = now
            }
            state.names[host] = name
            return (state.lastTicket, isNew)
        }
        if isNew { threads.submit { _ in self.run(host) } }
        return (ticket, promise.futureResult)
    }

    private func run(_ host: String) {
        let answer = Result { try lookup(host) }
        let waiting = state.withLockedValue { state in
            guard var name = state.names[host] else { return [EventLoopPromise<[SocketAddress]>]() }
            name.lookups -= 1
            let waiting = Array(name.waiting.values)
            name.waiting = [:]
            state.names[host] = name.lookups == 0 ? nil : name
            return waiting
        }
        for promise in waiting { promise.completeWith(answer) }
    }

    /// Nobody waits for it any more.
    func cancel(_ ticket: UInt64, host: String) {
        let promise = state.withLockedValue { $0.names[host]?.waiting.removeValue(forKey: ticket) }
        promise?.fail(ChannelError.connectTimeout(.zero))
    }
}
