import MQTT

extension Arguments {
    /// The null broker floods whoever subscribes to it.
    var flood: String { "flood/\(qos.rawValue)/\(count)/\(size)/\(max(window, 1))" }
}

func subscribe(_ arguments: Arguments, _ client: MQTTClient) async throws {
    let messages = client.messages
    async let grants = client.subscribe(to: [Subscription(arguments.flood, atMost: arguments.qos)])
    var count = 0
    if arguments.scenario.hasSuffix("-batch") {
        // Each message is looked at: a batch makes it only then.
        var bytes = 0
        for try await batch in messages.batches {
            for message in batch { bytes += message.payload.count }
            count += batch.count
            if count == arguments.count { break }
        }
        precondition(bytes == arguments.count * arguments.size)
    } else {
        for try await _ in messages {
            count += 1
            if count == arguments.count { break }
        }
    }
    _ = try await grants
}

/// One sequence for each filter. The topics of the flood differ, and each belongs to three: one of its own, and two with wildcards.
/// Returns how many messages came.
func subscribeToMany(_ arguments: Arguments, _ client: MQTTClient) async throws {
    let flood = "\(arguments.flood)/vary"
    let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
    try await withThrowingTaskGroup(of: Void.self) { group in
        for index in 0..<max(arguments.sequences - 2, 1) {
            let level = String(repeating: "0", count: 4 - String(index).count) + String(index)
            // Behind a level of another name, so that subscribing alone begins no flood.
            let filters = ["\(flood)/\(level)", "other/\(level)/#"]
            group.addTask {
                try await client.subscribe(to: filters.map { Subscription($0, atMost: arguments.qos) }) { messages in
                    isReady.yield()
                    for try await _ in messages {}
                }
            }
        }
        var waiting = max(arguments.sequences - 2, 1)
        for await _ in ready {
            waiting -= 1
            if waiting == 0 { break }
        }
        let start = Usage()
        for filter in ["flood/+/+/+/+/vary/#", "\(flood)/0000"] {
            let isWide = filter.hasSuffix("#")
            let filters = isWide ? [filter, "flood/#"] : [filter]
            group.addTask {
                try await client.subscribe(to: filters.map { Subscription($0, atMost: arguments.qos) }) { messages in
                    var count = 0
                    for try await _ in messages {
                        count += 1
                        if isWide, count == arguments.count { break }
                    }
                    report(arguments, start)
                    throw CancellationError()
                }
            }
        }
        // Not `waitForAll`, which waits for the others too before it throws the first error.
        do { while try await group.next() != nil {} } catch is CancellationError { group.cancelAll() }
    }
}
