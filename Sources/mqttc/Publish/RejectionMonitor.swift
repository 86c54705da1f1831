import MQTT

/// Notices that the broker rejects what is published. In 3.1.1 it has no other means than to close the connection [MQTT-3.3.5-2], and
/// a client that sends again gets the same again.
struct RejectionMonitor: Sendable {
    /// So many connections in a row that are lost without one message getting through.
    private static let patience = 3

    private let progress: PublishProgress

    init(_ progress: PublishProgress) {
        self.progress = progress
    }

    /// Returns an exit status when it is so. Nil when the client has ended.
    func watch(_ client: MQTTClient) async -> Int32? {
        var cuts = 0
        var completed = progress.completedCount
        for await state in client.connectionStates {
            switch state {
            case .closed: return nil
            case .online: break
            // The broker is away: that says nothing about the message.
            case .attemptFailed: cuts = 0
            case .offline(let error):
                let now = progress.completedCount
                // Nothing of ours was under way: it cannot be the message.
                if now != completed || progress.acceptedCount == now { cuts = 0 }
                completed = now
                // What the broker does wrong is not the message's fault.
                guard error.code == .connectionLost, !error.message.contains("silent"), progress.acceptedCount != now else { continue }
                cuts += 1
                guard cuts == Self.patience else { continue }
                Complaints.say("the broker rejects the message: it has closed \(cuts) connections at it [MQTT-3.3.5-2]")
                return ExitStatus.publishRejected
            }
        }
        return nil
    }
}
