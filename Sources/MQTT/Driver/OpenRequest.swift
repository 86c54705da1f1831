/// On whose behalf a subscription is made.
enum SubscribeOrigin: Sendable {
    case application
    case scope(Int)
    /// The broker has lost it.
    case resubscription
}

/// A request that waits for the broker, and what it becomes.
enum OpenRequest: Sendable {
    case subscribe(Subscribe, SubscribeOrigin, Eventual<[SubscriptionGrant]>)
    case unsubscribe(Unsubscribe, Eventual<Void>)
    case ping(Eventual<Void>)
    case leave(Eventual<Void>)

    /// Ends it. Continuations run, so not under a lock.
    func resolve(_ resolved: Aftermath.Resolved) {
        switch (self, resolved.resolution) {
        case (.subscribe(let packet, _, let eventual), .answered): eventual.resolve(Self.granted(packet, resolved.codes))
        case (.subscribe(_, _, let eventual), _): eventual.resolve(.failure(Self.error(resolved)))
        case (.unsubscribe(_, let eventual), .answered), (.ping(let eventual), .answered), (.leave(let eventual), .done):
            eventual.resolve(.success(()))
        case (.unsubscribe(_, let eventual), _), (.ping(let eventual), _), (.leave(let eventual), _):
            eventual.resolve(.failure(Self.error(resolved)))
        }
    }

    static func granted(_ packet: Subscribe, _ codes: [UInt8]) -> Result<[SubscriptionGrant], MQTTError> {
        let grants = zip(packet.subscriptions, codes).map { subscription, code in
            SubscriptionGrant(filter: subscription.filter, reasonCode: ReasonCode(rawValue: code))
        }
        guard let refused = grants.first(where: \.reasonCode.isFailure) else { return .success(grants) }
        let count = grants.count { $0.reasonCode.isFailure }
        return .failure(
            MQTTError(
                .subscribeFailed, .refusedByBroker, "the broker refused \(count) of \(grants.count) topic filters",
                reasonCode: refused.reasonCode, citation: "MQTT-3.8.4-5", grants: grants))
    }

    private static func error(_ resolved: Aftermath.Resolved) -> MQTTError {
        switch resolved.resolution {
        case .answered, .done: MQTTError(.protocolViolation, .unknown, "an answer of another kind")
        case .closed where resolved.wasSent: MQTTError(.closed, .unknown, "the client ended while the response was awaited")
        case .closed: .closed
        case .down: .down
        case .tooManyRequests: MQTTError(.tooManyRequests, .notSent, "limits.requests is used up")
        case .canceled: MQTTError(.canceled, .notSent, "canceled before anything was sent")
        case .abandoned: MQTTError(.abandoned, .unknown, "canceled after the request was sent")
        case .connectionLost: MQTTError(.connectionLost, .unknown, "the connection was lost while the response was awaited")
        }
    }
}

extension MQTTError {
    static var closed: MQTTError { MQTTError(.closed, .notSent, "the client has ended") }
    static var down: MQTTError { MQTTError(.down, .notSent, "no connection to the broker right now") }
    static func stalled(_ fate: Fate) -> MQTTError {
        MQTTError(
            .deliveryStalled, fate,
            "the answer cannot arrive while this task leaves its own full queue of messages alone; wait for it in another task")
    }
}
