/// What goes wrong between a ``TestBroker`` and its clients, connection by connection, in the order in which they are accepted.
///
/// ```swift
/// var plan = FaultPlan()
/// plan.add(.cutToClient(afterBytes: 6), on: .connection(1))
/// plan.add(.refuse(code: 3), on: .connections(2...3))
/// ```
public struct FaultPlan: Sendable {
    /// Connections by number. The first that the broker accepts is number 1, and restarts do not begin anew.
    public enum Scope: Sendable, Equatable {
        case every
        case connection(Int)
        case connections(ClosedRange<Int>)

        func covers(_ number: Int) -> Bool {
            switch self {
            case .every: true
            case .connection(let only): number == only
            case .connections(let range): range.contains(number)
            }
        }
    }

    public enum Fault: Sendable, Equatable {
        /// CONNECT is answered with this return code.
        case refuse(code: UInt8)
        /// CONNECT takes effect, and the connection closes instead of an answer.
        case closeBeforeConnack
        /// The session is forgotten when CONNECT arrives.
        case loseSession
        /// PINGREQ stays unanswered.
        case ignorePings
        /// The first so many acknowledgements and answers to requests are not sent.
        case swallowAcknowledgements(Int)
        /// Acknowledgements are held back for a moment and sent in an order drawn from the seed.
        case reorderAcknowledgements(seed: UInt64)
        /// Every n-th PUBLISH to the client is sent twice.
        case duplicateDeliveries(every: Int)
        /// The connection closes once so many bytes of the client have taken effect. Answers due by then are written.
        case cutFromClient(afterBytes: Int)
        /// The connection closes once so many bytes were written.
        case cutToClient(afterBytes: Int)
        /// Nothing is read beyond so many bytes, while the connection stays.
        case stopReading(afterBytes: Int)
        /// Bytes from the client take effect so much later.
        case delayFromClient(Duration)
        /// Bytes to the client are written so much later.
        case delayToClient(Duration)
    }

    public struct Rule: Sendable, Equatable {
        public var scope: Scope
        public var fault: Fault
    }

    public var rules: [Rule] = []

    public init() {}

    /// Adds a rule. Of two that say the same about a connection, the later counts.
    public mutating func add(_ fault: Fault, on scope: Scope) {
        rules.append(Rule(scope: scope, fault: fault))
    }

    /// What the rules mean for one connection.
    func faults(of number: Int) -> LinkFaults {
        var faults = LinkFaults()
        for rule in rules where rule.scope.covers(number) {
            switch rule.fault {
            case .refuse(let code): faults.packets.refusal = code
            case .closeBeforeConnack: faults.packets.closesBeforeConnack = true
            case .loseSession: faults.packets.losesSession = true
            case .ignorePings: faults.packets.answersPings = false
            case .swallowAcknowledgements(let count): faults.packets.swallowedAcknowledgements = count
            case .reorderAcknowledgements(let seed): faults.packets.reorderSeed = seed
            case .duplicateDeliveries(let period): faults.packets.duplicatesEvery = period
            case .cutFromClient(let count): faults.cutFromClient = count
            case .cutToClient(let count): faults.cutToClient = count
            case .stopReading(let count): faults.stopReading = count
            case .delayFromClient(let delay): faults.delayFromClient = delay
            case .delayToClient(let delay): faults.delayToClient = delay
            }
        }
        return faults
    }
}

/// The faults of one connection.
struct LinkFaults: Sendable {
    var packets = ConnectionFaults()
    /// Bytes left until then.
    var cutFromClient: Int?
    var cutToClient: Int?
    var stopReading: Int?
    var delayFromClient: Duration?
    var delayToClient: Duration?
}
