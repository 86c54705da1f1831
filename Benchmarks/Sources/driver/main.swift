// The library behind the command line of the C drivers, so that all of them can be compared in one round:
//   driver SCENARIO HOST PORT COUNT SIZE [WINDOW]
//     pub0|pub1|pub2, with -many (PUBLISHERS tasks share the client) or -durable    sub0|sub1|sub2    rtt    idle
//     tree                 SEQUENCES subscriptions, of which three want each message
//     queue                messages accepted while there is no connection
//     fill|start - 1       puts messages into a store without a broker; starts a client with what is there
// TLS names a file of trusted roots and WEBSOCKET a path, for these ways to the broker.
// STORE names the directory of the durable scenarios; it is removed by whoever made it.
import MQTT

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Sendable func measure(_ arguments: Arguments) async throws {
    if arguments.scenario == "idle" { return try await connect(arguments) }
    let start = Usage()
    let client = try MQTTClient(arguments.configuration())
    switch arguments.scenario {
    case "start":
        report(arguments, start)
        var found = 0
        for try await _ in client.deliveries { found += 1 }
        let seconds = start.time.duration(to: .now).inSeconds
        print("RESULT peer=swift-mqtt scenario=list count=\(found) secs=\(seconds) hwm_kb=\(Usage.peakKiB)")
        await client.close()
        exit(found == arguments.count ? 0 : 1)
    case "fill":
        try await fill(arguments, client)
        report(arguments, start)
        return await client.close()
    case "queue":
        try queue(arguments, client)
        return report(arguments, start)
    default: break
    }
    try await client.run { client in
        try await client.waitUntilOnline()
        let start = Usage()
        switch arguments.scenario.prefix(3) {
        case "pub":
            try await publish(arguments, client)
            report(arguments, start)
        case "rtt" where arguments.scenario.hasSuffix("-loop"):
            let latencies = try await withTaskExecutorPreference(client.taskExecutor) { try await roundTrips(arguments, client) }
            report(arguments, start, latencies: latencies)
        case "rtt": report(arguments, start, latencies: try await roundTrips(arguments, client))
        case "tre": try await subscribeToMany(arguments, client)
        default:
            try await subscribe(arguments, client)
            report(arguments, start)
        }
        await client.close()
    }
}

guard let arguments = Arguments(CommandLine.arguments) else {
    print("driver pub0|pub1|pub2[-many|-durable]|sub0|sub1|sub2[-batch]|rtt[-loop]|idle|tree|queue|fill|start HOST PORT COUNT SIZE [WINDOW]")
    exit(2)
}
Task.detached {
    do {
        try await measure(arguments)
        exit(0)
    } catch {
        print("failed: \(error)")
        exit(1)
    }
}
// In place of an asynchronous main, whose end of the first thread valgrind does not understand.
while true { pause() }
