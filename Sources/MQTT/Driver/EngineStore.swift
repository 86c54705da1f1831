internal import Logging
@_spi(Driver) internal import MQTTCore
internal import Synchronization

/// How the engine and the store of a durable session come together, work together, and part.
extension Engine {
    /// What a durable session brings along from its store.
    struct Opened {
        var store: any SessionStore
        var contents: StoreContents

        /// The identifier that the session was stored under.
        var clientID: String { contents.clientID ?? "" }
    }

    static func open(_ configuration: Configuration) throws(MQTTError) -> Opened? {
        let session = configuration.session
        guard case .durable(let store, let use) = session.place else { return nil }
        // What is wrong with the rest is found before anything in the store is changed.
        for broker in [configuration.broker] + configuration.fallbacks {
            _ = try configuration.connectPacket(clientID: session.clientID.isEmpty ? "stored" : session.clientID, broker)
        }
        let opened = Opened(store: store, contents: try store.open(for: session.clientID, use))
        guard !opened.clientID.isEmpty || session.clean else {
            store.close()
            throw .denied("the store holds no client identifier yet: give the session one", "MQTT-3.1.3-7")
        }
        return opened
    }

    /// Connects engine and store. The store is open, and closed when this throws.
    func attach(_ store: any SessionStore, _ writer: StoreWriter) throws(MQTTError) {
        do throws(MQTTError) {
            let queue = try writer.queue(for: store) { [weak self] event in self?.heard(event) }
            let link = StoreLink(queue) { [weak self] loaded in self?.loaded(loaded) }
            core.state.withLock { $0.store = link }
        } catch {
            store.close()
            throw error
        }
    }

    /// On the store's thread.
    private func heard(_ event: StoreEvent) {
        switch event {
        case .stored(let number): perform { $0.step(.stored(upTo: number), at: now) }
        case .failed(let error, let delay):
            logger?.error("the store cannot be written", metadata: ["error": "\(error)", "retryAfter": "\(delay)"])
            perform { state in
                state.store?.failure = MQTTError(.persistence, .unknown, error.message)
                state.step(.storeFailed, at: now)
            }
        }
    }

    /// On the store's thread.
    private func loaded(_ loaded: [StoreLink.Loaded]) {
        perform { state in
            for (serial, result) in loaded { state.loaded(serial, result, at: now) }
        }
        for case (let serial, .failure(let error)) in loaded {
            logger?.error("a stored message cannot be read", metadata: ["number": "\(serial)", "error": "\(error)"])
        }
    }

    /// Brings the last commits to disk, and sets the store free for the next session, before the end is told.
    func closeStore(_ unstored: [DeliveryRecord], _ done: @escaping @Sendable () -> Void) {
        guard let store = core.state.withLock({ $0.store.take() }) else { return done() }
        store.close { [logger] failure in
            // Part of what was to be written may be there, and go on with the next session.
            let error = failure.map { MQTTError(.persistence, .unknown, $0.message) }
            if let error { logger?.error("the store could not be written at the end", metadata: ["error": "\(error)"]) }
            for record in unstored {
                if error == nil { record.stored() }
                record.resolve(.failure(error ?? LinkLoss.suspendedInStore))
            }
            done()
        }
    }
}

extension EngineState {
    /// Writes down what the session wants to be remembered.
    mutating func store(_ record: StoreRecord, _ number: UInt64) {
        switch record {
        case .publish(let serial):
            guard let publication = publishes[serial]?.publication else { return }
            let change = publication.stored(under: serial, acceptedAt: wallClock())
            store?.append(change, number: number)
        case .received(let serial): store?.append(.put(.received(serial)), number: number)
        case .givenUp(let serial): store?.append(.giveUp(serial), number: number)
        case .notReceived(let serial): store?.append(.delete(.received(serial)), number: number)
        case .removePublish(let serial, let isLazy): store?.append(.delete(.publish(serial), lazily: isLazy), number: number)
        case .inbound(let packetID): store?.append(.put(.inbound(packetID)), number: number)
        case .removeInbound(let packetID): store?.append(.delete(.inbound(packetID)), number: number)
        case .removeAllInbound: store?.append(.deleteAllInbound, number: number)
        }
    }

    /// A publish is safe. Unless somebody holds its handle, there is nobody to tell later.
    mutating func stored(_ serial: Serial) {
        guard publishes.contains(serial) else { return }
        if isKnownUniquelyReferenced(&publishes[present: serial]) {
            publishes[present: serial].stored()
        } else {
            aftermath.stored.append(publishes[present: serial])
        }
    }

    /// A publish is in the store now, so that its payload need not be in memory.
    mutating func unload(_ serial: Serial) {
        guard var record = publishes.remove(serial) else { return }
        // Nobody holds the handle: then nothing is left to be told.
        if isKnownUniquelyReferenced(&record) { return }
        record.unload()
        publishes.insert(record, at: serial)
    }

    mutating func loaded(_ serial: Serial, _ result: Result<Publication, MQTTError>, at now: Instant) {
        switch result {
        case .success(let publication):
            // It may have been dropped meanwhile.
            guard session.isUnfinished(serial), session.phase != .ended else { return }
            if let record = publishes[serial] {
                record.load(publication)
            } else {
                publishes.insert(DeliveryRecord(publication, isStored: true), at: serial)
            }
            step(.loaded(serial), at: now)
        case .failure: step(.unreadable(serial), at: now)
        }
    }

    /// The handle of a publish that is on its way. Made when there is none.
    mutating func record(of serial: Serial) -> DeliveryRecord? {
        guard session.isUnfinished(serial), session.phase != .ended else { return nil }
        if let known = publishes[serial] { return known }
        let record = DeliveryRecord(inStoreAlone: ())
        publishes.insert(record, at: serial)
        return record
    }
}
