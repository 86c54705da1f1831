// Retained messages, wills, keep-alive, take-over and topics, as Mosquitto does them.
import MQTT
import Testing

@Suite("Behaviour against Mosquitto", .mosquittoIsInstalled, .timeLimit(.minutes(1)))
struct BehaviourTests {
    @Test("A retained message comes with each subscription, until it is cleared", arguments: QoS.allCases)
    func retained(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started()
        try await mosquitto.withClient("client") { client in
            try await client.publish("kept", to: "retained/a", qos, retain: true, until: .written)
            try await client.ping()
            for _ in 0..<2 {
                try await client.subscribe(to: "retained/#", atMost: qos) { messages in
                    var iterator = messages.makeAsyncIterator()
                    let message = try #require(try await iterator.next())
                    #expect(message.payload.string == "kept")
                    #expect(message.retain)
                    #expect(message.qos == qos)
                }
            }
            try await client.clearRetained("retained/a", qos)
            try await client.ping()
            try await client.subscribe(to: "retained/#") { messages in
                try await client.publish("live", to: "retained/b", .exactlyOnce)
                var iterator = messages.makeAsyncIterator()
                let message = try #require(try await iterator.next())
                #expect(message.payload.string == "live")
                #expect(!message.retain)
            }
        }
    }

    @Test("close fires the will, disconnect does not", arguments: QoS.allCases)
    func will(_ qos: QoS) async throws {
        let mosquitto = try await Mosquitto.started()
        try await mosquitto.withClient("observer") { observer in
            try await observer.subscribe(to: "wills/#") { messages in
                for id in ["leaves", "vanishes"] {
                    let client = try mosquitto.client(id) { $0.will = Will("gone", to: "wills/\(id)", qos, retain: true) }
                    let run = Task { try await client.run() }
                    try await client.waitUntilOnline()
                    if id == "leaves" { try await client.disconnect() } else { await client.close() }
                    try await run.value
                }
                var iterator = messages.makeAsyncIterator()
                let message = try #require(try await iterator.next())
                #expect(message.topic == "wills/vanishes")
                #expect(message.payload.string == "gone")
                #expect(message.qos == qos)
            }
        }
    }

    @Test("A client with nothing to say is kept by its pings")
    func keepAlive() async throws {
        let mosquitto = try await Mosquitto.started(Mosquitto.Settings(moreLines: ["sys_interval 1"]))
        let idle = try mosquitto.client("idle") { $0.keepAlive = .seconds(1) }
        var states = idle.connectionStates.makeAsyncIterator()
        let run = Task { try await idle.run() }
        try await idle.waitUntilOnline()
        try await mosquitto.withClient("clock") { clock in
            // The broker's own seconds: it would have ended a silent connection after one and a half of them.
            try await clock.subscribe(to: "$SYS/broker/uptime") { messages in
                var first: Int?
                for try await message in messages {
                    let uptime = try #require(message.payload.string?.split(separator: " ").first.flatMap { Int($0) })
                    let start = first ?? uptime
                    first = start
                    if uptime >= start + 5 { break }
                }
            }
        }
        try await idle.disconnect()
        try await run.value
        var seen: [ConnectionState] = []
        while let state = await states.next() { seen.append(state) }
        #expect(seen.count == 2)
        #expect(seen.first?.isOnline == true)
        #expect(seen.last == .closed)
    }

    @Test("Two clients with one identifier: each loss is told, and they fight ever more slowly")
    func takeOver() async throws {
        let mosquitto = try await Mosquitto.started(Mosquitto.Settings(persistence: false))
        let clients = try (0..<2).map { _ in
            try mosquitto.client("twin") {
                $0.reconnect.minimum = .milliseconds(10)
                $0.reconnect.maximum = .seconds(60)
            }
        }
        var states = clients[0].connectionStates.makeAsyncIterator()
        let runs = clients.map { client in Task { try await client.run() } }
        let start = ContinuousClock.now
        for _ in 0..<6 {
            _ = try await clients[0].waitForState(&states, where: \.isOnline)
            #expect(try await clients[0].waitForState(&states) { !$0.isOnline }.loss?.code == .connectionLost)
        }
        // At least the lower halves of five bounds that double: 10, 10, 20, 40, 80 ms. Timers do not fire early.
        #expect(ContinuousClock.now - start >= .milliseconds(160))
        for client in clients { await client.close() }
        for run in runs { try await run.value }
    }

    @Test("Wildcards select as the standard says")
    func wildcards() async throws {
        let mosquitto = try await Mosquitto.started()
        try await mosquitto.withClient("client") { client in
            let topics = ["a", "a/b", "a/b/c", "/a", "a/", "b/x/c", "ä/日本/🙂"]
            let expected: [String: [String]] = [
                "#": topics, "a/#": ["a", "a/b", "a/b/c", "a/"], "+": ["a"], "+/+": ["a/b", "/a", "a/"], "+/+/c": ["a/b/c", "b/x/c"],
                "/+": ["/a"], "ä/+/🙂": ["ä/日本/🙂"],
            ]
            for (filter, wanted) in expected {
                try await client.subscribe(to: filter, "end") { messages in
                    for topic in topics { try await client.publish(Payload(topic), to: topic) }
                    try await client.publish(.empty, to: "end")
                    var received: [String] = []
                    for try await message in messages {
                        if message.topic == "end" { break }
                        received.append(message.topic)
                        #expect(message.payload.string == message.topic)
                    }
                    #expect(received == wanted, "\(filter)")
                }
            }
        }
    }

    @Test("$SYS is the broker's own: # does not have it, $SYS/# does [MQTT-4.7.2-1]")
    func systemTopics() async throws {
        let mosquitto = try await Mosquitto.started()
        try await mosquitto.withClient("client") { client in
            try await client.subscribe(to: "#") { messages in
                try await client.publish("mine", to: "mine")
                var iterator = messages.makeAsyncIterator()
                #expect(try await iterator.next()?.topic == "mine")
            }
            try await client.subscribe(to: "$SYS/#") { messages in
                var iterator = messages.makeAsyncIterator()
                let message = try #require(try await iterator.next())
                #expect(message.topic.hasPrefix("$SYS/broker/"))
                #expect(message.retain)
            }
        }
    }

    @Test("Unsubscribed filters deliver no more")
    func unsubscribe() async throws {
        let mosquitto = try await Mosquitto.started()
        try await mosquitto.withClient("client") { client in
            let grants = try await client.subscribe(to: [
                Subscription("a"), Subscription("b", atMost: .atLeastOnce), Subscription("c/#", atMost: .atMostOnce),
            ])
            #expect(grants.map(\.qos) == [.exactlyOnce, .atLeastOnce, .atMostOnce])
            try await client.unsubscribe(from: ["a", "c/#"])
            for topic in ["a", "c/d", "b"] { _ = try await client.publish(Payload(topic), to: topic, .exactlyOnce).completed }
            var messages = client.messages.makeAsyncIterator()
            let message = try #require(try await messages.next())
            #expect(message.topic == "b")
            #expect(message.qos == .atLeastOnce)
        }
    }
}
