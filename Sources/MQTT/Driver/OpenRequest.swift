/// A request that waits for the broker, and what it becomes.
enum OpenRequest: Sendable {
    case subscribe(Subscribe, Eventual<[SubscriptionGrant]>)
    case unsubscribe(Unsubscribe, Eventual<Void>)
    case ping(Eventual<Void>)
    case leave(Eventual<Void>)

    /// Ends it. Continuations run, so not under a lock.
    func resolve(_ resolution: Resolution, codes: [UInt8]) {
        switch (self, resolution) {
        case (.subscribe(let packet, let eventual), .answered): eventual.resolve(Self.granted(packet, codes))
        case (.subscribe(_, let eventual), _): eventual.resolve(.failure(Self.error(resolution)))
        case (.unsubscribe(_, let eventual), .answered), (.ping(let eventual), .answered), (.leave(let eventual), .done):
            eventual.resolve(.success(()))
        case (.unsubscribe(_, let eventual), _), (.ping(let eventual), _), (.leave(let eventual), _):
            eventual.resolve(.failure(Self.error(resolution)))
        }
    }

    private static func granted(_ packet: Subscribe, _ codes: [UInt8]) -> Result<[SubscriptionGrant], MQTTError> {
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

    private static func error(_ resolution: Resolution) -> MQTTError {
        switch resolution {
        case .answered, .done: MQTTError(.protocolViolation, .unknown, "an answer of another kind")
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
    static var stalled: MQTTError {
        MQTTError(
            .deliveryStalled, .kept,
            "the answer cannot arrive while this task leaves its own full queue of messages alone; wait for it in another task")
    }
}
