/// Names a request of the application until it is resolved. The driver picks the numbers; zero is nobody's.
package typealias Ticket = UInt64

/// Names an accepted QoS 1 or 2 publish for ever: its place in the order of acceptance.
package typealias Serial = UInt64

/// Names a received QoS 1 or 2 message until the application has released it.
package typealias Receipt = UInt64

/// One network connection of a session: its number, counted from 1. Whatever carries an old number is ignored.
package typealias Link = UInt32

/// Everything that can happen to a session. There is no other way in.
package enum Event: Sendable, Equatable, BitwiseCopyable {
    // The application
    /// Begin to connect.
    case start
    /// Accept a publish, or refuse it. Answered by `accepted`, `transmit` or `refused` in the same step.
    case publish(qos: QoS, queuedBytes: Int)
    /// Take back a publish that was never sent.
    case withdraw(Serial)
    /// Drop a publish that did not go out in this run, for the sake of another. Nothing happens when it has to stay.
    case evict(Serial)
    /// Drop the oldest such publish of that level.
    case evictOldest(QoS)
    /// Give up a publish whose payload cannot be had any more. The link it was being written to must be closed.
    case abandon(Serial)
    case subscribe(Ticket, filters: Int)
    case unsubscribe(Ticket)
    case ping(Ticket)
    /// The application no longer waits for the request.
    case cancel(Ticket)
    /// The application asked for the message after this one.
    case release(Receipt)
    /// Say DISCONNECT behind everything that was submitted, and end.
    case disconnect(Ticket)
    /// End without a word.
    case close

    /// When to connect again.
    case pace(Pace)

    // The network
    case linkOpened(Link)
    /// The attempt failed, or the connection is gone.
    case linkClosed(Link)
    case packet(InboundPacket)
    /// The rest of the payload of the last PUBLISH is here.
    case payloadCompleted
    /// The bytes received break the rules.
    case violation(ProtocolViolation)
    /// Bytes came. `midPacket`: a packet has begun, and is incomplete.
    case received(midPacket: Bool)
    /// Whether the client takes bytes from the connection right now. Silence counts only while it does.
    case reading(Bool)
    /// The operating system took bytes; `pending` tells how many are left to be taken.
    case written(pending: Int)

    // The store
    /// Everything up to this commit is on disk.
    case stored(upTo: UInt64)
    /// The store cannot be written. It goes on trying, in order.
    case storeFailed
    /// The payload that `load` asked for is in memory.
    case loaded(Serial)
    /// The payload that `load` asked for cannot be had.
    case unreadable(Serial)

    // The clock
    /// ``Session/deadline`` has passed.
    case tick
    /// The machine slept for so many nanoseconds, and the clock with it.
    case slept(Int64)
}

/// When a session without a connection tries again, in place of the pause that it would make.
package enum Pace: UInt8, Sendable, Equatable, BitwiseCopyable {
    /// At once. Later pauses begin with the least one. It ends `never`.
    case now
    /// After the least pause: the next attempt goes somewhere else.
    case soon
    /// After the longest pause, and so from then on.
    case slow
    /// Not until `now`, be there a connection at the moment or not. An attempt that is under way goes on.
    case never
}
