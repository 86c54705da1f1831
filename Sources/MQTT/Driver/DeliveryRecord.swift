internal import Synchronization

/// A publish that the session has accepted, as far as the driver has anything to do with it, and what its handles share.
///
/// Of a durable session, what is in the store alone has none, unless somebody holds its handle.
final class DeliveryRecord: Sendable {
    /// Those who wait for it, and watch it: most publishes come to their end without any.
    private final class Audience {
        var stored: Eventual<Void>?
        var completion: Eventual<Delivery.Outcome>?
        var observers: [UInt64: AsyncStream<Delivery.Progress>.Continuation] = [:]
        var nextObserver: UInt64 = 0
    }

    private enum End {
        case acknowledged(ReasonCode)
        indirect case failed(MQTTError)

        init(_ result: Result<Delivery.Outcome, MQTTError>) {
            switch result {
            case .success(let outcome): self = .acknowledged(outcome.reasonCode)
            case .failure(let error): self = .failed(error)
            }
        }

        var result: Result<Delivery.Outcome, MQTTError> {
            switch self {
            case .acknowledged(let code): .success(Delivery.Outcome(reasonCode: code))
            case .failed(let error): .failure(error)
            }
        }
    }

    // Never copied: each copy would count all of its references.
    private struct State: ~Copyable {
        private var topic = ""
        private var qos = QoS.atLeastOnce
        private var retain = false
        private var correlationKey: String?
        /// Nil: it is in the store, or the publish has come to its end.
        var payload: Payload?
        var isStored: Bool
        var wasSent = false
        /// On an earlier connection than the one that it was sent on last.
        var wasSentBefore = false
        var end: End?
        private var audience: Audience?

        init(isStored: Bool) { self.isStored = isStored }

        init(_ publication: borrowing Publication, isStored: Bool) {
            self.isStored = isStored
            load(publication)
        }

        init(_ payload: Payload, to topic: String, _ qos: QoS, retain: Bool, isStored: Bool) {
            (self.payload, self.topic, self.qos, self.retain) = (payload, topic, qos, retain)
            self.isStored = isStored
        }

        // Without a copy of the publication, which would count its references once more.
        @inline(__always) mutating func load(_ publication: borrowing Publication) {
            (topic, qos, retain) = (publication.topic, publication.qos, publication.retain)
            correlationKey = publication.correlationKey
            payload = publication.payload
        }

        var publication: Publication? {
            payload.map { Publication($0, to: topic, qos, retain: retain, correlationKey: correlationKey) }
        }

        mutating func send(
            _ serial: Serial, _ packetID: PacketID, _ isDuplicate: Bool, lastTopic: CheckedTopic, to outbound: inout OutboundBuffer
        ) {
            guard let length = payload?.count else { return }
            wasSentBefore = wasSent
            wasSent = true
            let flags = PublishFlags(qos: qos, retain: retain, isDuplicate: isDuplicate)
            if lastTopic.is(topic), payload?.append(to: lastTopic.encoded, flags, packetID, &outbound) == true { return }
            let head = OutboundPublish(topic: topic, qos: qos, retain: retain, payloadLength: length)
            // It is there. Bound to a name it would be copied, and its references counted.
            outbound.append(head, payload ?? .empty, packetID: packetID, isDuplicate: isDuplicate, serial: serial)
        }

        var result: Result<Delivery.Outcome, MQTTError>? { end?.result }

        var observers: [AsyncStream<Delivery.Progress>.Continuation] { audience.map { Array($0.observers.values) } ?? [] }

        mutating func gather() -> Audience {
            let audience = audience ?? Audience()
            self.audience = audience
            return audience
        }

        /// What is left to be told, once.
        mutating func takeStored() -> Eventual<Void>? {
            defer { audience?.stored = nil }
            return audience?.stored
        }

        mutating func takeObservers() -> [AsyncStream<Delivery.Progress>.Continuation] {
            defer { audience?.observers = [:] }
            return observers
        }

        var isAwaited: Bool { audience != nil }
        var completion: Eventual<Delivery.Outcome>? { audience?.completion }

        func forget(_ observer: UInt64) { audience?.observers[observer] = nil }
    }

    private let state: Mutex<State>
    /// Whether the broker has it, with success: what nearly all are asked for takes no lock then.
    private let success = Atomic(false)

    /// - Parameter isStored: Whether it is safe already.
    init(_ publication: borrowing Publication, isStored: Bool) { state = Mutex(State(publication, isStored: isStored)) }

    init(_ payload: Payload, to topic: String, _ qos: QoS, retain: Bool, isStored: Bool) {
        state = Mutex(State(payload, to: topic, qos, retain: retain, isStored: isStored))
    }

    /// Of a publish whose payload is in the store alone.
    init(inStoreAlone: Void) { state = Mutex(State(isStored: true)) }

    // MARK: The publish

    var publication: Publication? { state.withLock { $0.publication } }
    var wasSent: Bool { state.withLock { $0.wasSent } }
    var wasSentBefore: Bool { state.withLock { $0.wasSentBefore } }

    /// Its payload is in the store, and need not be in memory.
    func unload() { _ = state.withLock { $0.payload.take() } }

    func load(_ publication: Publication) { state.withLock { $0.load(publication) } }

    /// Nothing is sent of what is in the store alone: the session asks for it first.
    ///
    /// - Parameter lastTopic: Mostly the topic of this one.
    func send(
        _ serial: Serial, _ packetID: PacketID, _ isDuplicate: Bool, lastTopic: CheckedTopic, to outbound: inout OutboundBuffer
    ) {
        state.withLock { $0.send(serial, packetID, isDuplicate, lastTopic: lastTopic, to: &outbound) }
    }

    // MARK: Its end

    var isStored: Bool { state.withLock { $0.isStored } }
    var hasSucceeded: Bool { success.load(ordering: .acquiring) }
    /// Nil while it is under way.
    var result: Result<Delivery.Outcome, MQTTError>? {
        hasSucceeded ? .success(Delivery.Outcome()) : state.withLock { $0.result }
    }

    /// Nil when there is nothing to wait for.
    var storedWait: Eventual<Void>? {
        state.withLock { state in
            if state.isStored { return nil }
            if case .failure(let error) = state.result { return Eventual(.failure(error)) }
            let audience = state.gather()
            let stored = audience.stored ?? Eventual()
            audience.stored = stored
            return stored
        }
    }

    func stored() {
        let (stored, observers) = state.withLock { state in
            state.isStored = true
            return (state.takeStored(), state.observers)
        }
        stored?.resolve(.success(()))
        for observer in observers { observer.yield(.stored) }
    }

    var completion: Eventual<Delivery.Outcome> {
        state.withLock { state in
            if let result = state.result { return Eventual(result) }
            let audience = state.gather()
            let completion = audience.completion ?? Eventual()
            audience.completion = completion
            return completion
        }
    }

    /// Whether it failed with that code.
    func hasEnded(with code: MQTTError.Code) -> Bool {
        state.withLock { if case .failed(let error) = $0.end { error.code == code } else { false } }
    }

    func observe() -> AsyncStream<Delivery.Progress> {
        // A step is small, and there is one for each loss of the connection: the newest matter.
        let (stream, continuation) = AsyncStream.makeStream(of: Delivery.Progress.self, bufferingPolicy: .bufferingNewest(1_000))
        let (result, id) = state.withLock { state in
            let audience = state.gather()
            audience.nextObserver += 1
            if state.isStored { continuation.yield(.stored) }
            if state.result == nil { audience.observers[audience.nextObserver] = continuation }
            return (state.result, audience.nextObserver)
        }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.forget(id) } }
        if let result { Self.end(continuation, result) }
        return stream
    }

    func interrupted(_ error: MQTTError) {
        for observer in state.withLock({ $0.observers }) { observer.yield(.interrupted(error)) }
    }

    func acknowledge(_ code: ReasonCode) {
        // The payload goes when the lock has been given back: a source is the application's.
        let (isAwaited, _) = state.withLock { state in
            if state.end == nil {
                state.end = .acknowledged(code)
                success.store(code == .success, ordering: .releasing)
            }
            return (state.isAwaited, state.payload.take())
        }
        if isAwaited { resolve(.success(Delivery.Outcome(reasonCode: code))) }
    }

    /// The first call counts.
    func resolve(_ result: Result<Delivery.Outcome, MQTTError>) {
        let (completion, stored, observers, _) = state.withLock { state in
            if state.end == nil { state.end = End(result) }
            return (state.completion, state.takeStored(), state.takeObservers(), state.payload.take())
        }
        completion?.resolve(result)
        stored?.resolve(result.map { _ in })
        for observer in observers { Self.end(observer, result) }
    }

    private static func end(_ observer: AsyncStream<Delivery.Progress>.Continuation, _ result: Result<Delivery.Outcome, MQTTError>) {
        switch result {
        case .success(let outcome): observer.yield(.completed(outcome))
        case .failure(let error): observer.yield(.failed(error))
        }
        observer.finish()
    }
}
