// What the application hears of the end of a publish.
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
