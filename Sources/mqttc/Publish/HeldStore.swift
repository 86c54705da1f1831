import MQTT
import Synchronization

/// A store that is open before its client is made: whoever holds it knows its client identifier, no other process can come between,
/// and it is read once.
final class HeldStore: SessionStore {
    /// Of the session that it holds. Nil when it is a new one.
    let clientID: String?

    private let store: JournalSessionStore
    /// What it held, until its client takes it.
    private let contents: Mutex<StoreContents?>
    private let lastFailure = Mutex<MQTTError?>(nil)

    /// How often it is tried to get a store that another process has.
    private static let pause = Duration.milliseconds(50)

    init(at directory: String) throws(MQTTError) {
        store = JournalSessionStore(at: directory)
        let contents = try store.open()
        clientID = contents.clientID
        self.contents = Mutex(contents)
    }

    /// Waits while another process has it. Nil when that takes longer than the time-out.
    static func open(at directory: String, within timeout: Duration) async throws -> HeldStore? {
        let end = ContinuousClock.now + timeout
        while true {
            do throws(MQTTError) {
                return try HeldStore(at: directory)
            } catch {
                guard error.code == .persistence, error.message.contains("in use by another client or process") else { throw error }
            }
            if ContinuousClock.now >= end { return nil }
            try await Task.sleep(for: min(pause, max(end - .now, .zero)))
        }
    }

    var durability: Durability { store.durability }

    func open() throws(MQTTError) -> StoreContents {
        let held = contents.withLock { contents in
            defer { contents = nil }
            return contents
        }
        if let held { return held }
        return try store.open()
    }

    func record(of key: RecordKey) throws(MQTTError) -> StoredRecord { try store.record(of: key) }

    /// Why the last commit could not be written. Nil when it was.
    var failure: MQTTError? { lastFailure.withLock { $0 } }

    func commit(_ changes: [StoreChange]) throws(MQTTError) { try noting { () throws(MQTTError) in try store.commit(changes) } }

    func flush() throws(MQTTError) { try noting { () throws(MQTTError) in try store.flush() } }

    private func noting(_ body: () throws(MQTTError) -> Void) throws(MQTTError) {
        do throws(MQTTError) {
            try body()
            lastFailure.withLock { $0 = nil }
        } catch {
            lastFailure.withLock { $0 = error }
            throw error
        }
    }

    func close() { store.close() }
}
