/// Classes of what can go wrong. A failing world is tried again without each, to find out what it takes.
package struct Faults: OptionSet, Sendable, Hashable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The connection breaks, and what was on its way is lost from some byte on, in each direction.
    package static let cuts = Faults(rawValue: 1 << 0)
    /// One end is gone, and the other is not told.
    package static let halfOpen = Faults(rawValue: 1 << 1)
    /// One direction stops for a while.
    package static let stalls = Faults(rawValue: 1 << 2)
    /// A dial is refused, or nobody answers it.
    package static let dials = Faults(rawValue: 1 << 3)
    /// CONNACK refuses, or the connection ends in its place.
    package static let refusals = Faults(rawValue: 1 << 4)
    /// The broker is started again, with its sessions.
    package static let restarts = Faults(rawValue: 1 << 5)
    /// The broker forgets the session.
    package static let sessionLoss = Faults(rawValue: 1 << 6)
    /// Another connection takes the session over for a moment.
    package static let takeOvers = Faults(rawValue: 1 << 7)
    /// Acknowledgements come out of order.
    package static let reorders = Faults(rawValue: 1 << 8)
    /// Acknowledgements come twice.
    package static let repeats = Faults(rawValue: 1 << 9)
    /// Acknowledgements come that nothing waits for.
    package static let strays = Faults(rawValue: 1 << 10)
    /// Acknowledgements and PINGRESP do not come.
    package static let swallows = Faults(rawValue: 1 << 11)
    /// PUBLISH comes twice on one connection.
    package static let duplicates = Faults(rawValue: 1 << 12)
    /// Bytes arrive in pieces cut anywhere.
    package static let splits = Faults(rawValue: 1 << 13)
    /// Payloads larger than the read buffer.
    package static let bigPayloads = Faults(rawValue: 1 << 14)
    /// Consumers of received messages are slow, or stop.
    package static let slowConsumers = Faults(rawValue: 1 << 15)
    /// The application gives up waiting, and takes publishes back.
    package static let cancels = Faults(rawValue: 1 << 16)
    /// Commits of the store take long.
    package static let slowStore = Faults(rawValue: 1 << 17)
    /// The application ends the session in the middle of everything.
    package static let endings = Faults(rawValue: 1 << 18)

    /// The broker sends bytes that are no packet.
    package static let garbage = Faults(rawValue: 1 << 19)
    /// The payload of a publish cannot be read any more.
    package static let payloadLoss = Faults(rawValue: 1 << 20)

    /// The client's process ends at any moment, with or without the machine, and the next one goes on.
    package static let crashes = Faults(rawValue: 1 << 21)
    /// The disk is full for a while, or fails.
    package static let badDisks = Faults(rawValue: 1 << 22)
    /// Publishes grow too old, or give way to newer ones.
    package static let bounds = Faults(rawValue: 1 << 23)
    /// The clock on the wall jumps while there is no process.
    package static let clocks = Faults(rawValue: 1 << 24)

    package static let all = Faults(rawValue: (1 << 25) - 1)

    package static let named: [(String, Faults)] = [
        ("cuts", .cuts), ("half-open", .halfOpen), ("stalls", .stalls), ("dials", .dials), ("refusals", .refusals),
        ("restarts", .restarts), ("session-loss", .sessionLoss), ("take-overs", .takeOvers), ("reorders", .reorders),
        ("repeats", .repeats), ("strays", .strays), ("swallows", .swallows), ("duplicates", .duplicates), ("splits", .splits),
        ("big-payloads", .bigPayloads), ("slow-consumers", .slowConsumers), ("cancels", .cancels), ("slow-store", .slowStore),
        ("endings", .endings), ("garbage", .garbage), ("payload-loss", .payloadLoss),
        ("crashes", .crashes), ("bad-disks", .badDisks), ("bounds", .bounds), ("clocks", .clocks),
    ]

    package var names: [String] { Faults.named.filter { contains($0.1) }.map(\.0) }

    package init?(name: String) {
        guard let match = Faults.named.first(where: { $0.0 == name }) else { return nil }
        self = match.1
    }
}

/// Deliberate bugs of the shell around the session. A checker that finds none of them proves nothing.
package enum Canary: String, Sendable, CaseIterable {
    /// Releases a message as soon as it is delivered, so it is acknowledged before the application is done with it.
    case acknowledgesEarly
    /// Does not send some of the publishes that come again.
    case dropsResend
    /// Sends what comes again without DUP.
    case forgetsDuplicateFlag
    /// Does not send PUBREL after a reconnect.
    case forgetsPubrel
    /// Sends a publish under the identifier of its predecessor.
    case reusesIdentifier
    /// Sends what was left over from the connection before.
    case keepsStaleBytes
    /// Tells the session that records are stored when they are not.
    case reportsStoredEarly
    /// Drops a received message, and releases it.
    case dropsReceived
    /// Never fires the timer.
    case stopsClock
    /// Loses the answer to a request whose connection was lost.
    case losesResolution
    /// Sends two publishes in the wrong order.
    case swapsPublishes
    /// Lets more publishes in flight than allowed.
    case exceedsInFlight
    /// Lets more QoS 2 publishes in flight than allowed.
    case exceedsExactlyOnceInFlight
    /// Hands the repetition of a QoS 2 message over again.
    case deliversRepetition
    /// Tells that a streamed payload is complete when it is not.
    case completesPayloadEarly
    /// Sends another message's payload.
    case mixesPayloads
    /// Hands received messages over in the wrong order.
    case swapsReceived
    /// Does not tell that the session was lost.
    case hidesSessionLoss
    /// Goes on sending behind DISCONNECT.
    case sendsBehindDisconnect
    /// The disk says that it has synced, and has not.
    case skipsSync
    /// Sends PUBREL before the fact that PUBREC came is on disk.
    case releasesBeforeStored
    /// Sends PUBCOMP before the removal of the identifier is on disk.
    case completesBeforeRemoved
    /// Gives other numbers to the publishes of an earlier process.
    case forgetsSerials
    /// Goes on without the inbound identifiers of an earlier process.
    case forgetsInbound
    /// Goes on without knowing which publishes PUBREC came for.
    case forgetsReceived
    /// Sends what an earlier process may have sent without DUP.
    case forgetsEarlierSending
    /// Sends what is not in memory.
    case reportsLoadedEarly
}
