internal import NIOCore

/// What goes from the session to its store, and what is awaited from there.
///
/// Behind the engine's lock, so that commits are in the order of the steps they come of.
struct StoreLink {
    /// What became of reading a publish.
    typealias Loaded = (serial: Serial, publication: Result<Publication, MQTTError>)

    private let queue: StoreQueue
    private let loaded: @Sendable ([Loaded]) -> Void
    private var changes: [StoreChange] = []
    private var number: UInt64 = 0
    private var loads: [Serial] = []
    /// Why the store could not be written, or why it cannot right now.
    var failure: MQTTError?

    init(_ queue: StoreQueue, loaded: @escaping @Sendable ([Loaded]) -> Void) {
        self.queue = queue
        self.loaded = loaded
    }

    mutating func append(_ change: StoreChange, number: UInt64) {
        changes.append(change)
        self.number = number
    }

    mutating func load(_ serial: Serial) { loads.append(serial) }

    /// Hands over what has come together. It does not block.
    mutating func flush() {
        if !changes.isEmpty {
            queue.commit(changes, number: number)
            changes = []
        }
        guard !loads.isEmpty else { return }
        let (serials, loaded) = (loads, loaded)
        loads = []
        queue.perform { store in loaded(serials.map { ($0, Self.read($0, from: store)) }) }
    }

    /// Calls the body on the store's thread.
    func perform(_ body: @escaping @Sendable (any SessionStore) -> Void) { queue.perform(body) }

    func close(_ done: @escaping @Sendable (MQTTError?) -> Void) { queue.close(done) }

    static func read(_ serial: Serial, from store: any SessionStore) -> Result<Publication, MQTTError> {
        do throws(MQTTError) {
            let record = try store.record(of: .publish(serial))
            guard let head = StoredPublishHead(record.head) else {
                return .failure(MQTTError(.persistence, .unknown, "the record of a publish is not one"))
            }
            return .success(Publication(head, record.body))
        } catch {
            return .failure(error)
        }
    }
}

extension Publication {
    init(_ head: StoredPublishHead, _ body: [UInt8]) {
        self.init(
            Payload(bytes: body), to: head.topic, head.qos, retain: head.retain, correlationKey: head.correlationKey)
    }

    /// As a durable session stores it.
    func stored(under serial: Serial, acceptedAt: Int64) -> StoreChange {
        let head = StoredPublishHead(topic: topic, qos: qos, retain: retain, correlationKey: correlationKey, acceptedAt: acceptedAt)
        return .put(.publish(serial), head: head.bytes, body: payload.bytes ?? [])
    }
}
