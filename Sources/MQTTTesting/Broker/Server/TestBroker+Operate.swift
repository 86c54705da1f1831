// What a test does to the broker, and sees of it.
internal import NIOCore

/// Why the broker did not do what was asked.
public struct TestBrokerError: Error, Sendable, CustomStringConvertible {
    public let description: String
}

extension TestBroker {
    public var snapshot: Snapshot {
        get async throws {
            let core = core
            return try await eventLoop.submit { core.value.snapshot }.get()
        }
    }

    /// Client identifiers with a connection.
    public var connectedClients: [String] { get async throws { try await snapshot.connectedClients } }

    /// The latest received messages, oldest first.
    public var received: [ReceivedPublish] { get async throws { try await snapshot.received } }

    /// Rules that clients broke. Each ended its connection.
    public var violations: [Violation] { get async throws { try await snapshot.violations } }

    /// Publishes from the broker's side.
    ///
    /// - Throws: ``TestBrokerError`` when the topic is not a topic name or the QoS is above 2.
    public func publish(_ payload: [UInt8], to topic: String, qos: UInt8 = 0, retain: Bool = false) async throws {
        let message = BrokerMessage(topic: Array(topic.utf8), payload: payload, qos: qos, retain: retain)
        do throws(Breach) {
            try BrokerText.checkTopicName(message.topic, message.topic.indices)
        } catch {
            throw TestBrokerError(description: "[\(error.statement)] \(error.detail)")
        }
        guard qos <= 2, message.topic.count <= 65_535 else {
            throw TestBrokerError(description: "the QoS is above 2, or the topic longer than 65,535 bytes")
        }
        try await operate { model, now in model.publish(message, at: now) }
    }

    /// Replaces the plan, for connections to come.
    public func setFaults(_ plan: FaultPlan) async throws {
        let core = core
        try await eventLoop.submit { core.value.faultPlan = plan }.get()
    }

    /// Changes what goes wrong on the present connection of a client.
    public func setFaults(_ faults: ConnectionFaults, for clientID: String) async throws {
        try await operate { model, _ in model.setFaults(faults, for: clientID) }
    }

    /// Breaks all connections. The broker goes on.
    public func cutConnections() async throws {
        let core = core
        try await eventLoop.submit { core.value.cutAll() }.get()
    }

    /// Breaks the connection of a client.
    public func disconnect(_ clientID: String) async throws {
        try await operate { model, now in model.disconnect(clientID, at: now) }
    }

    /// Forgets the session of a client, and breaks its connection.
    public func dropSession(_ clientID: String) async throws {
        try await operate { model, now in model.dropSession(clientID, at: now) }
    }

    /// Forgets all sessions, and breaks all connections that had one.
    public func dropSessions() async throws {
        try await operate { model, now in model.dropSessions(at: now) }
    }

    /// Sends the latest unacknowledged PUBLISH to a client again; false when there is none.
    @discardableResult
    public func duplicateLastPublish(to clientID: String) async throws -> Bool {
        try await operate { model, now in model.duplicateLastPublish(to: clientID, at: now) }
    }

    /// Sends any bytes to a client, such as an illegal packet; false when it is not connected.
    @discardableResult
    public func send(raw bytes: [UInt8], to clientID: String) async throws -> Bool {
        try await operate { model, now in model.send(raw: bytes, to: clientID, at: now) }
    }

    /// Answers the next CONNECT packets with these return codes; zero accepts.
    public func refuseNext(_ codes: UInt8...) async throws {
        try await operate { model, _ in model.refuseNext(codes) }
    }
}
