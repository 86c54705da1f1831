import MQTTCore

/// What the driver of a session holds: the connection's bytes in both directions, and one timer.
struct Shell: Sendable {
    var session: Session
    var effects = Effects()
    /// Events that come of carrying out effects. They are stepped when all effects are carried out.
    var followUps: [Event] = []
    var timerAt: Int64?
    var isTimerLate = false
    var isTicking = false

    /// The connection that is dialed or open. Zero is none.
    var link: Link = 0
    var isOpen = false
    /// CONNACK accepted, and the connection is still there.
    var isOnline = false
    /// The session said online, and not yet offline.
    var saidOnline = false
    var isEnded = false
    var lastDialed: Link = 0
    /// The broker has a new session: what it can double has to be named in this step.
    var isLossDue = false

    // MARK: Bytes out
    /// Not yet taken by the operating system.
    var outbound: [UInt8] = []
    var isFlushing = false
    var closesAfterFlush = false
    var hasReportedBlocked = false
    var lastPacketAt: Int64 = 0

    // MARK: Bytes in
    var inbox: [UInt8] = []
    var decoder = PacketDecoder()
    var isReading = true
    /// The PUBLISH whose payload is arriving.
    var stream: Stream?

    struct Stream: Sendable {
        /// The message, or nil when it is dropped.
        var message: Int?
        var name: UInt64
        var offset: Int
        var rest: Int
    }

    // MARK: What is being submitted or received right now
    var submitting: (qos: QoS, size: Int) = (.atMostOnce, 0)
    var wasRefused = false
    var receiving: Receiving?

    struct Receiving: Sendable {
        var origin: Int
        var packetID: PacketID
        var qos: QoS
        var isWhole: Bool
        var message: Int?
        var isSettled = false
    }

    /// A publish that the canary `swapsPublishes` holds back.
    var heldBack: (Serial, PacketID, Bool)?

    init(_ plan: Plan, _ settings: WorldSettings) {
        var configuration = plan.configuration
        if settings.canary == .exceedsInFlight { configuration.limits.inFlight += 1 }
        if settings.canary == .exceedsExactlyOnceInFlight { configuration.limits.exactlyOnceInFlight += 1 }
        session = Session(configuration, seed: settings.seed, firstSerial: plan.firstSerial)
    }

    mutating func publishHead(at start: Int, _ header: FixedHeader) throws(ProtocolViolation) -> PublishHead? {
        let bytes = inbox
        return try decoder.publish(bytes.span, at: start, header)
    }

    mutating func forgetLink() {
        link = 0
        isOpen = false
        isOnline = false
        outbound.removeAll(keepingCapacity: true)
        closesAfterFlush = false
        hasReportedBlocked = false
        isFlushing = false
        inbox.removeAll(keepingCapacity: true)
        stream = nil
        isReading = true
        heldBack = nil
    }
}

/// The store as far as time matters: which commits are on disk.
struct Disk: Sendable {
    var issued: UInt64 = 0
    /// Under way up to here; equal to `storedUpTo` when nothing is.
    var writing: UInt64 = 0
    var storedUpTo: UInt64 = 0
}

extension World {
    mutating func store(_ record: StoreRecord, _ number: UInt64) {
        if number != disk.issued + 1 { fail(.storedBeforeSent, "commit \(number) behind \(disk.issued)") }
        disk.issued = number
        switch record {
        case .publish(let serial), .notReceived(let serial): outbound[serial].publishCommit = number
        case .received(let serial), .givenUp(let serial): outbound[serial].receivedCommit = number
        case .removePublish: break
        case .inbound(let packetID): inbound.storeInbound(packetID, commit: number)
        case .removeInbound(let packetID): inbound.storeRemoval(packetID, commit: number)
        case .removeAllInbound: break
        }
        if disk.writing == disk.storedUpTo { beginCommit() }
        if settings.canary == .reportsStoredEarly, dice.chance(1, in: 20) { shell.followUps.append(.stored(upTo: number)) }
    }

    private mutating func beginCommit() {
        disk.writing = disk.issued
        after(plan.commitTime == 0 ? 0 : dice.below(plan.commitTime * 2), .commit)
    }

    /// Everything that was issued when the commit began is on disk now; what came since goes into the next.
    mutating func commit() {
        // What was issued in the same instant may belong to it.
        if plan.commitTime == 0 { disk.writing = disk.issued }
        disk.storedUpTo = disk.writing
        step(.stored(upTo: disk.storedUpTo))
        if disk.issued > disk.storedUpTo, disk.writing == disk.storedUpTo, failure == nil { beginCommit() }
    }
}
