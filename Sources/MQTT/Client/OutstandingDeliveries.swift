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

        /// - Throws: ``MQTTError/Code/persistence`` when the store cannot be read; ``MQTTError/Code/closed`` when the client has ended.
        public mutating func next() async throws(MQTTError) -> OutstandingDelivery? { try await next(isolation: #isolation) }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws(MQTTError) -> OutstandingDelivery? {
            while found.isEmpty {
                guard let (deliveries, last) = try await engine.outstanding(from: next, to: end) else { return nil }
                next = last + 1
                found = deliveries.reversed()
            }
            return found.popLast()
        }
    }
}

extension MQTTClient {
    /// What is still on its way, in order: also what earlier runs of a durable session have accepted.
    public var deliveries: OutstandingDeliveries {
        OutstandingDeliveries(engine: engine, end: engine.state.withLock { $0.session.outboundEnd })
    }

    /// What was lost of a durable session when this client was made: a warning for each damaged record. Everything else goes on.
    public var storeDamage: [StoreDamage] { engine.damage }
}

extension Engine {
    /// Publishes that are looked at in one go.
    private static let step = 256

    /// The next publishes that have not come to their end, with the number of the last that was looked at. Nil: there are no more.
    func outstanding(from first: Serial, to end: Serial) async throws(MQTTError) -> ([OutstandingDelivery], last: Serial)? {
        let (known, absent, last) = state.withLock { state in
            var known: [(UnfinishedPublish, Publication)] = []
            var absent: [UnfinishedPublish] = []
            for publish in state.session.unfinished(in: first..<max(first, end), upTo: Self.step) {
                if let publication = state.publishes[publish.serial]?.publication {
                    known.append((publish, publication))
                } else {
                    absent.append(publish)
                }
            }
            return (known, absent, max(known.last?.0.serial ?? 0, absent.last?.serial ?? 0))
        }
        guard !known.isEmpty || !absent.isEmpty else { return nil }
        let publications = known + (absent.isEmpty ? [] : try await read(absent))
        let now = now
        let deliveries = state.withLock { state in
            publications.sorted { $0.0.serial < $1.0.serial }.compactMap { publish, publication -> OutstandingDelivery? in
                guard let record = state.record(of: publish.serial) else { return nil }
                return OutstandingDelivery(
                    delivery: Delivery(storage: .accepted(self, publish.serial, record)), correlationKey: publication.correlationKey,
                    topic: publication.topic, qos: publication.qos, retain: publication.retain, payloadCount: publication.payload.count,
                    age: .nanoseconds(max(0, now - publish.acceptedAt)))
            }
        }
        return (deliveries, last)
    }

    /// Reads publishes from the store. Those that are complete meanwhile are left out.
    private func read(_ publishes: [UnfinishedPublish]) async throws(MQTTError) -> [(UnfinishedPublish, Publication)] {
        let read = Eventual<[(UnfinishedPublish, Publication)]>()
        let isOpen = state.withLock { state in
            state.store?.perform { store in
                read.resolve(
                    .success(
                        publishes.compactMap { publish in
                            StoreLink.read(publish.serial, from: store).map { (publish, $0) }.success
                        }))
            }
            return state.store != nil
        }
        guard isOpen else { throw .closed }
        return try await read.value()
    }
}

extension Result {
    fileprivate var success: Success? { if case .success(let value) = self { value } else { nil } }
}
