import MQTTCore

/// A session on virtual time, and the driver around it reduced to its duties: what is sent is written at once, and time
/// passes from deadline to deadline.
struct Scenario {
    var session: Session
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    /// While true, the operating system takes nothing.
    var isStalled = false
    private(set) var link: Link = 0

    init(seed: UInt64 = 1, _ configure: (inout SessionConfiguration) -> Void = { _ in }) {
        var configuration = SessionConfiguration()
        configure(&configuration)
        session = Session(configuration, seed: seed)
    }

    /// One event, and what the session wants for it.
    @discardableResult
    mutating func on(_ event: Event) -> [Effect] {
        var effects = Effects()
        session.step(event, at: now, into: &effects)
        for case .dial(let number) in effects.list { link = number }
        if !isStalled, effects.list.contains(where: \.isOnTheWire) {
            var none = Effects()
            session.step(.written(pending: 0), at: now, into: &none)
        }
        return Array(effects.list)
    }

    /// A packet of the broker, whole.
    @discardableResult
    mutating func receive(_ packet: InboundPacket) -> [Effect] {
        on(.received(midPacket: false)) + on(.packet(packet))
    }

    /// A PUBLISH of the broker.
    @discardableResult
    mutating func receive(_ qos: QoS, _ packetID: PacketID = 0, isComplete: Bool = true) -> [Effect] {
        receive(.publish(InboundPublish(qos: qos, packetID: packetID, isComplete: isComplete)))
    }

    /// Lets time pass, with a tick at each deadline on the way.
    @discardableResult
    mutating func advance(by duration: Duration) -> [Effect] {
        let end = now + duration.nanoseconds
        var effects: [Effect] = []
        var ticks = 0
        while let deadline = session.deadline, deadline <= end, ticks < 100_000 {
            now = max(now, deadline)
            effects += on(.tick)
            ticks += 1
        }
        now = end
        return effects
    }

    /// From the start or a pause to an open link: what goes out first.
    @discardableResult
    mutating func open() -> [Effect] {
        if session.phase == .idle { on(.start) }
        if case .waiting(let until) = session.phase {
            now = max(now, until)
            on(.tick)
        }
        return on(.linkOpened(link))
    }

    /// From the start or a pause to CONNACK: what follows it.
    @discardableResult
    mutating func connect(sessionPresent: Bool = false) -> [Effect] {
        open()
        return receive(.connack(sessionPresent: sessionPresent, .success))
    }

    /// The network drops the connection.
    @discardableResult
    mutating func cut() -> [Effect] { on(.linkClosed(link)) }

    /// The network drops the connection, and the next attempt is accepted.
    @discardableResult
    mutating func reconnect(sessionPresent: Bool) -> [Effect] {
        cut()
        return connect(sessionPresent: sessionPresent)
    }

    @discardableResult
    mutating func publish(_ qos: QoS, bytes: Int = 10) -> [Effect] { on(.publish(qos: qos, queuedBytes: bytes)) }

    /// How long until the next attempt. Nil when none is planned.
    var pause: Duration? {
        if case .waiting(let until) = session.phase { .nanoseconds(until - now) } else { nil }
    }
}

extension Scenario {
    static func online(seed: UInt64 = 1, _ configure: (inout SessionConfiguration) -> Void = { _ in }) -> Scenario {
        var scenario = Scenario(seed: seed, configure)
        scenario.connect()
        return scenario
    }
}

extension Effect {
    /// Whether it makes bytes go out.
    var isOnTheWire: Bool {
        switch self {
        case .sendConnect, .send, .transmit, .sendPublish, .sendSubscribe, .sendUnsubscribe: true
        default: false
        }
    }
}

extension [Effect] {
    var onTheWire: [Effect] { filter(\.isOnTheWire) }
}

/// Identifiers of publishes by the order of acceptance: the first is 0x4000.
func id(_ serial: Serial) -> PacketID { PublishID.of(serial) }
