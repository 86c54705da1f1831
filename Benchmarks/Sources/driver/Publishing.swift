import MQTT

private let topic = "bench/topic"

func publish(_ arguments: Arguments, _ client: MQTTClient) async throws {
    if arguments.scenario.hasSuffix("-many") { return try await publishFromMany(arguments, client) }
    try await publish(arguments, client, count: arguments.count, window: arguments.window)
    // Answered behind everything before it.
    if arguments.qos == .atMostOnce { _ = try await client.ping() }
}

private func publish(_ arguments: Arguments, _ client: MQTTClient, count: Int, window: Int) async throws {
    let payload = arguments.payload
    guard arguments.qos != .atMostOnce else {
        for _ in 0..<count { try await client.publish(payload, to: topic) }
        return
    }
    var outstanding: [Delivery] = []
    outstanding.reserveCapacity(window)
    var oldest = 0
    for _ in 0..<count {
        // `submit`, so that as many as the window allows wait for the disk and the broker at a time.
        if outstanding.count < window {
            outstanding.append(try client.submit(payload, to: topic, arguments.qos))
        } else {
            _ = try await outstanding[oldest].completed
            outstanding[oldest] = try client.submit(payload, to: topic, arguments.qos)
            oldest += 1
            if oldest == window { oldest = 0 }
        }
    }
    for delivery in outstanding { _ = try await delivery.completed }
}

/// Many tasks share one client, and its window.
private func publishFromMany(_ arguments: Arguments, _ client: MQTTClient) async throws {
    let publishers = arguments.publishers
    try await withThrowingTaskGroup(of: Void.self) { group in
        for index in 0..<publishers {
            let share = arguments.count / publishers + (index < arguments.count % publishers ? 1 : 0)
            group.addTask { try await publish(arguments, client, count: share, window: max(1, arguments.window / publishers)) }
        }
        try await group.waitForAll()
    }
    if arguments.qos == .atMostOnce { _ = try await client.ping() }
}

/// What a publish costs while there is no connection: the queue grows by all of them.
func queue(_ arguments: Arguments, _ client: MQTTClient) throws {
    let payload = arguments.payload
    for _ in 0..<arguments.count { _ = try client.submit(payload, to: topic, .atLeastOnce) }
}

func roundTrips(_ arguments: Arguments, _ client: MQTTClient) async throws -> [Double] {
    let payload = arguments.payload
    var latencies: [Double] = []
    latencies.reserveCapacity(arguments.count)
    for _ in 0..<arguments.count {
        let start = ContinuousClock.now
        _ = try await client.submit(payload, to: topic, .atLeastOnce).completed
        latencies.append(start.duration(to: .now).inSeconds * 1e6)
    }
    return latencies
}

/// Puts messages into a store without a broker.
func fill(_ arguments: Arguments, _ client: MQTTClient) async throws {
    let payload = arguments.payload
    var last: Delivery?
    for _ in 0..<arguments.count { last = try client.submit(payload, to: topic, .atLeastOnce) }
    try await last?.stored()
}
