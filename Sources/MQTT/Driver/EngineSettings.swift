internal import MQTTCore

/// What the engine needs of its configuration for as long as it lives: the rest is not worth its memory, of which each client has one.
struct EngineSettings: Sendable {
    let limits: Limits
    let profile: BrokerProfile
    let whenQueueIsFull: QueueFullAction
    let credentialProvider: (@Sendable (Broker) async throws -> Credentials)?
    let credentialTimeout: Duration
    let connectTimeout: Duration
    let drainTimeout: Duration
    let unclaimed: UnclaimedPolicy
    let resubscribes: Bool
    let requestsWait: Bool

    init(_ configuration: Configuration) {
        limits = configuration.limits
        profile = configuration.profile
        whenQueueIsFull = configuration.whenQueueIsFull
        credentialProvider = configuration.credentialProvider
        credentialTimeout = configuration.credentialTimeout
        connectTimeout = configuration.connectTimeout
        drainTimeout = configuration.drainTimeout
        unclaimed = configuration.unclaimed
        resubscribes = configuration.resubscribes
        requestsWait = configuration.requestsWait
    }
}
