/// What an application needs of a client to publish.
///
/// Code that takes `some MQTTPublisher` in place of ``MQTTClient`` can be tested without a broker: with `ClientStub` and
/// `ClientMock` of the product MQTTTesting.
public protocol MQTTPublisher: Sendable {
    /// Publishes a message. See ``MQTTClient/publish(_:to:_:retain:until:)``.
    @discardableResult func publish(_ publication: Publication, until: MQTTClient.Written) async throws(MQTTError) -> Delivery

    /// Accepts a publish, or refuses it, at once and in call order. See ``MQTTClient/submit(_:to:_:retain:)``.
    func submit(_ publication: Publication) throws(MQTTError) -> Delivery

    /// Accepts many publishes in one go. See ``MQTTClient/submit(contentsOf:)``.
    func submit(contentsOf batch: some Collection<Publication>) throws(MQTTError) -> [Delivery]
}

extension MQTTPublisher {
    /// Publishes a message. See ``MQTTClient/publish(_:to:_:retain:until:)``.
    @discardableResult public func publish(
        _ payload: Payload, to topic: String, _ qos: QoS = .atMostOnce, retain: Bool = false, until: MQTTClient.Written = .buffered
    ) async throws(MQTTError) -> Delivery {
        try await publish(Publication(payload, to: topic, qos, retain: retain), until: until)
    }

    /// Accepts a publish, or refuses it, at once and in call order. See ``MQTTClient/submit(_:to:_:retain:)``.
    public func submit(_ payload: Payload, to topic: String, _ qos: QoS = .atMostOnce, retain: Bool = false) throws(MQTTError) -> Delivery {
        try submit(Publication(payload, to: topic, qos, retain: retain))
    }

    /// Clears the retained message of a topic. See ``MQTTClient/clearRetained(_:_:)``.
    @discardableResult public func clearRetained(_ topic: String, _ qos: QoS = .atLeastOnce) async throws(MQTTError) -> Delivery {
        try await publish(Publication(.empty, to: topic, qos, retain: true), until: .buffered)
    }
}

extension MQTTClient: MQTTPublisher {
    /// Publishes a message, as ``publish(_:to:_:retain:until:)`` does.
    @discardableResult public func publish(_ publication: Publication, until: Written = .buffered) async throws(MQTTError) -> Delivery {
        let delivery = try await engine.publish(publication)
        guard publication.qos == .atMostOnce, until == .written else { return delivery }
        do throws(MQTTError) {
            _ = try await delivery.completed
        } catch {
            // The bytes are on their way, unlike those of a publish that waits for room.
            throw error.code == .canceled ? MQTTError(.abandoned, .unknown, "canceled after the packet was buffered") : error
        }
        return delivery
    }

    /// Accepts a publish, or refuses it, as ``submit(_:to:_:retain:)`` does.
    public func submit(_ publication: Publication) throws(MQTTError) -> Delivery { try engine.submit(publication) }
}
