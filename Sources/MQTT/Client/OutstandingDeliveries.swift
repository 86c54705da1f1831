@_spi(Driver) internal import MQTTCore
internal import Synchronization

/// A publish that was accepted, by this run of the session or by an earlier one, and has not come to its end.
public struct OutstandingDelivery: Sendable {
    /// Its handle, to await it or to take it back.
    public let delivery: Delivery
    /// What the application called it, see ``Publication/correlationKey``.
    public let correlationKey: String?
    public let topic: String
    public let qos: QoS
    public let retain: Bool
    /// The number of bytes of its payload.
    public let payloadCount: Int
    /// How long ago it was accepted, the time between two runs included. Counted in tenths of a second.
    public let age: Duration
}

/// Everything that was accepted and has not come to its end, in the order of acceptance.
///
/// It reads ahead in small steps, so it takes little memory however many there are. Those that end meanwhile are left out, and those
/// that are accepted after it was made.
public struct OutstandingDeliveries: AsyncSequence, Sendable {
    let engine: Engine
    let end: Serial

    public func makeAsyncIterator() -> Iterator { Iterator(engine: engine, end: end) }

    public struct Iterator: AsyncIteratorProtocol {
        private let engine: Engine
        private let end: Serial
        private var next: Serial = 0
        private var found: [OutstandingDelivery] = []

        init(engine: Engine, end: Serial) {
            self.engine = engine
            self.end = end
        }

        /// - Throws: ``MQTTError/Code/persistence`` when one cannot be read from the store: asking again goes on behind it, and it ends
        ///   with the same error when its turn to be sent comes. ``MQTTError/Code/closed`` when the client has ended.
        public mutating func next() async throws(MQTTError) -> OutstandingDelivery? { try await next(isolation: #isolation) }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws(MQTTError) -> OutstandingDelivery? {
            while found.isEmpty {
                guard let step = try await engine.outstanding(from: next, to: end) else { return nil }
                next = step.next
                if let unreadable = step.unreadable { throw unreadable }
                found = step.deliveries.reversed()
            }
            return found.popLast()
        }
    }
}

extension MQTTClient {
    /// What is still on its way, in order: also what earlier runs of a durable session have accepted.
    public var deliveries: OutstandingDeliveries {
        OutstandingDeliveries(engine: engine, end: engine.core.state.withLock { $0.session.outboundEnd })
    }

    /// What was lost of a durable session when this client was made: a warning for each damaged record. Everything else goes on.
    public var storeDamage: [StoreDamage] { engine.damage }
}

/// Publishes that were looked at in one go.
struct OutstandingStep {
    var deliveries: [OutstandingDelivery] = []
    /// Why the one at hand cannot be read, when it is the first.
    var unreadable: MQTTError?
    /// Where to go on.
    var next: Serial
}

extension Engine {
    private static let stepLength = 256

    private typealias Read = (publish: UnfinishedPublish, publication: Result<Publication, MQTTError>)

    /// The next publishes that have not come to their end. Nil: there are no more.
    func outstanding(from first: Serial, to end: Serial) async throws(MQTTError) -> OutstandingStep? {
        let (known, absent) = core.state.withLock { state in
            var known: [Read] = []
            var absent: [UnfinishedPublish] = []
            for publish in state.session.unfinished(in: first..<max(first, end), upTo: Self.stepLength) {
                if let publication = state.publishes[publish.serial]?.publication {
                    known.append((publish, .success(publication)))
                } else {
                    absent.append(publish)
                }
            }
            return (known, absent)
        }
        let all = (known + (absent.isEmpty ? [] : try await read(absent))).sorted { $0.publish.serial < $1.publish.serial }
        guard let last = all.last?.publish.serial else { return nil }
        let now = now
        return try core.state.withLock { state throws(MQTTError) in
            // Nobody would tell the end of a delivery now.
            if state.session.phase == .ended { throw .closed }
            var step = OutstandingStep(next: last + 1)
            for (publish, publication) in all {
                // What is complete meanwhile is left out, and is not in the store any more.
                guard let record = state.record(of: publish.serial) else { continue }
                switch publication {
                case .success(let publication):
                    let delivery = Delivery(storage: .accepted(core, publish.serial, record))
                    step.deliveries.append(OutstandingDelivery(publish, publication, delivery, at: now))
                case .failure(let error):
                    // Those ahead of it first.
                    step.next = step.deliveries.isEmpty ? publish.serial + 1 : publish.serial
                    if step.deliveries.isEmpty { step.unreadable = error }
                    return step
                }
            }
            return step
        }
    }

    private func read(_ publishes: [UnfinishedPublish]) async throws(MQTTError) -> [Read] {
        let read = Eventual<[Read]>()
        let isOpen = core.state.withLock { state in
            state.store?.perform { store in
                read.resolve(.success(publishes.map { ($0, StoreLink.read($0.serial, from: store)) }))
            }
            return state.store != nil
        }
        guard isOpen else { throw .closed }
        return try await read.value()
    }
}

extension OutstandingDelivery {
    fileprivate init(_ publish: UnfinishedPublish, _ publication: Publication, _ delivery: Delivery, at now: Instant) {
        self.delivery = delivery
        correlationKey = publication.correlationKey
        topic = publication.topic
        qos = publication.qos
        retain = publication.retain
        payloadCount = publication.payload.count
        age = .nanoseconds(max(0, now - publish.acceptedAt))
    }
}
