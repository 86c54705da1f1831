/// A publish that the session has accepted, as far as the driver has anything to do with it.
///
/// Of a durable session, what is in the store alone has none, unless somebody holds its handle.
struct Accepted: Sendable {
    /// Nil: it is in the store.
    var publication: Publication?
    var record: DeliveryRecord
    var wasSent = false
    /// On an earlier connection than the one that it was sent on last.
    var wasSentBefore = false

    /// Nothing is sent of what is in the store alone: the session asks for it first.
    mutating func send(_ serial: Serial, _ packetID: PacketID, _ isDuplicate: Bool, to outbound: inout OutboundBuffer) {
        guard let publication else { return }
        wasSentBefore = wasSent
        wasSent = true
        outbound.append(publication.head, publication.payload, packetID: packetID, isDuplicate: isDuplicate, serial: serial)
    }
}

extension Completion {
    /// How the application hears of it.
    func result(_ storeFailure: MQTTError?) -> Result<Delivery.Outcome, MQTTError> {
        switch self {
        case .acknowledged(let code): .success(Delivery.Outcome(reasonCode: code))
        case .withdrawn: .failure(MQTTError(.withdrawn, .notSent, "the publish was taken back before it was sent"))
        case .evicted(let perhapsSent):
            .failure(MQTTError(.evicted, perhapsSent ? .unknown : .notSent, "the queue was full, and the message gave way to a newer one"))
        case .expired(let perhapsSent):
            .failure(MQTTError(.expired, perhapsSent ? .unknown : .notSent, "the message waited for longer than limits.queuedAge"))
        case .notStored:
            .failure(storeFailure ?? MQTTError(.persistence, .unknown, "the store cannot be written"))
        case .unreadable(let perhapsSent):
            .failure(
                MQTTError(
                    .persistence, perhapsSent ? .unknown : .notSent,
                    "the message cannot be read from the store, and is not sent"))
        }
    }
}
