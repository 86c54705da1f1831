import MQTT

/// Notices that the broker rejects what is published. In 3.1.1 it has no other means than to close the connection [MQTT-3.3.5-2], and
/// a client that sends again gets the same again.
struct RejectionMonitor: Sendable {
    /// The first message that the broker has not confirmed.
    struct UnderWay: Sendable {
        /// Another one whenever something got through.
        var mark: UInt64
        var topic: String
        /// Nil when it is not known.
        var payloadCount: Int?
    }

    /// So many connections in a row that are lost without one message getting through.
    private static let patience = 3

    /// Nil: nothing is.
    private let underWay: @Sendable (MQTTClient) async -> UnderWay?

    /// Of a run that publishes to one topic.
    init(_ progress: PublishProgress, topic: String) {
        underWay = { _ in
            let completed = progress.completedCount
            return progress.acceptedCount == completed ? nil : UnderWay(mark: UInt64(completed), topic: topic)
        }
    }

    private init(_ underWay: @escaping @Sendable (MQTTClient) async -> UnderWay?) { self.underWay = underWay }

    /// Of a session with messages to any topics. They are sent in order, so that the first of them is the one that does not get through.
    static var ofOutbox: RejectionMonitor {
        RejectionMonitor { client in
            var outstanding = client.deliveries.makeAsyncIterator()
            guard let first = try? await outstanding.next(), let id = first.delivery.id else { return nil }
            return UnderWay(mark: id, topic: first.topic, payloadCount: first.payloadCount)
        }
    }

    /// Returns an exit status when it is so. Nil when the client has ended.
    func watch(_ client: MQTTClient) async -> Int32? {
        var cuts = 0
        var mark: UInt64?
        for await state in client.connectionStates {
            switch state {
            case .closed: return nil
            case .online: break
            // The broker is away: that says nothing about the message.
            case .attemptFailed: cuts = 0
            case .offline(let error):
                let first = await underWay(client)
                // Something got through, or nothing of ours was under way: it cannot be the message.
                if first == nil || first?.mark != mark { cuts = 0 }
                mark = first?.mark
                // What the broker does wrong is not the message's fault.
                guard let first, error.code == .connectionLost, !error.message.contains("silent") else { continue }
                cuts += 1
                guard cuts == Self.patience else { continue }
                Complaints.say("the broker rejects the message to \(first.text): it has closed \(cuts) connections at it [MQTT-3.3.5-2]")
                return ExitStatus.publishRejected
            }
        }
        return nil
    }
}

extension RejectionMonitor.UnderWay {
    fileprivate var text: String {
        DisplayText.safe(topic) + (payloadCount.map { ", of \(Quantity.grouped($0)) bytes" } ?? "")
    }
}
