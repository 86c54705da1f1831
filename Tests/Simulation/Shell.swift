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
    /// There is no process.
    var isDown = false
    var lastDialed: Link = 0
    /// The links of earlier processes: each session counts its own from 1.
    let linkBase: Link
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
    /// The application asked for room in the queue.
    var isEvicting = false
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
        session = Session(Shell.configuration(plan, settings), seed: settings.seed, firstSerial: plan.firstSerial)
        linkBase = 0
    }

    /// That of the next process.
    init(_ session: Session, lastDialed: Link) {
        self.session = session
        self.lastDialed = lastDialed
        linkBase = lastDialed
    }

    static func configuration(_ plan: Plan, _ settings: WorldSettings) -> SessionConfiguration {
        var configuration = plan.configuration
        if settings.canary == .exceedsInFlight { configuration.limits.inFlight += 1 }
        if settings.canary == .exceedsExactlyOnceInFlight { configuration.limits.exactlyOnceInFlight += 1 }
        return configuration
    }

    /// As the session of this process knows it. Nil when it is about a link of an earlier one.
    func local(_ event: Event) -> Event? {
        switch event {
        case .linkOpened(let link): link > linkBase ? .linkOpened(link - linkBase) : nil
        case .linkClosed(let link): link > linkBase ? .linkClosed(link - linkBase) : nil
        default: event
        }
    }

    func global(_ effect: Effect) -> Effect {
        switch effect {
        case .dial(let link): .dial(link + linkBase)
        case .hangUp(let link): .hangUp(link + linkBase)
        case .hangUpAfterFlush(let link): .hangUpAfterFlush(link + linkBase)
        default: effect
        }
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
