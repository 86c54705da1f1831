import MQTT
import MQTTTesting
import NIOCore
import Testing

/// Many messages at a time: the same order and the same acknowledgements as one at a time.
@Suite(.timeLimit(.minutes(1))) struct BatchTests {
    private func texts(_ messages: some Sequence<Message>) -> [String] { messages.map { $0.payload.string ?? "" } }

    @Test func askingForTheNextBatchAcknowledgesTheOneBefore() async throws {
        let source = MessageSource()
        for number in 1...3 { source.send(Message(Payload("\(number)"), to: "a", number == 2 ? .atMostOnce : .atLeastOnce)) }
        var batches = source.messages.batches.makeAsyncIterator()
        let first = try #require(try await batches.next())
        #expect(texts(first) == ["1", "2", "3"])
        #expect(source.acknowledged.isEmpty)
        source.send(Message("4", to: "b", .exactlyOnce))
        source.finish()
        #expect(try await texts(#require(batches.next())) == ["4"])
        #expect(texts(source.acknowledged) == ["1", "3"])
        #expect(try await batches.next() == nil)
        #expect(texts(source.acknowledged) == ["1", "3", "4"])
    }

    @Test func aLoopThatIsLeftHasItsBatchFirstInTheNextButForAtMostOnce() async throws {
        let source = MessageSource(
            [Message("1", to: "a", .atLeastOnce), Message("2", to: "a"), Message("3", to: "b", .exactlyOnce)])
        for try await batch in source.messages.batches {
            #expect(batch.count == 3)
            break
        }
        #expect(source.acknowledged.isEmpty)
        var rest: [String] = []
        for try await message in source.messages { rest.append(message.payload.string ?? "") }
        #expect(rest == ["1", "3"])
        #expect(texts(source.acknowledged) == ["1", "3"])
    }

    @Test func aBatchCanBeAcknowledgedWithoutAskingForAnother() async throws {
        let source = MessageSource()
        for number in 1...100 { source.send(Message(Payload("\(number)"), to: "a", .atLeastOnce)) }
        var batches = source.messages.batches.makeAsyncIterator()
        #expect(try await batches.next()?.count == 100)
        batches.acknowledge()
        #expect(source.acknowledged.count == 100)
    }

    @Test func messagesAndBatchesOfOneQueueTakeTurns() async throws {
        let source = MessageSource()
        for number in 1...4 { source.send(Message(Payload("\(number)"), to: "a", .atLeastOnce)) }
        for try await message in source.messages {
            #expect(message.payload.string == "1")
            break
        }
        for try await batch in source.messages.batches {
            // The one that was not acknowledged is the first again.
            #expect(texts(batch) == ["1", "2", "3", "4"])
            break
        }
    }

    @Test func aBatchIsARandomAccessCollection() async throws {
        let source = MessageSource((0..<10).map { Message(Payload("\($0)"), to: "t/\($0)") })
        var batches = source.messages.batches.makeAsyncIterator()
        let batch = try #require(try await batches.next())
        #expect(batch.count == 10 && batch[batch.startIndex + 7].topic == "t/7")
        #expect(texts(batch.reversed().prefix(2)) == ["9", "8"])
    }

    /// Over a connection, cut into reads anywhere: what comes in batches is what was sent.
    @Test(arguments: [QoS.atMostOnce, .atLeastOnce, .exactlyOnce]) func aFloodComesInOrder(qos: QoS) async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker) { $0.limits.exactlyOnceInFlight = 100 })
            try await client.run { client in
                try await client.waitUntilOnline()
                try await client.subscribe(to: "flood/+", atMost: qos) { messages in
                    let sending = Task {
                        for number in 0..<2_000 {
                            let text = "\(number)" + String(repeating: "x", count: number % 7 == 0 ? 3_000 : number % 50)
                            _ = try await client.publish(Payload(text), to: "flood/\(number / 100)", qos)
                        }
                    }
                    var expected = 0
                    for try await batch in messages.batches {
                        for message in batch {
                            let text = message.payload.string ?? ""
                            #expect(text.hasPrefix("\(expected)") && message.topic == "flood/\(expected / 100)" && message.qos == qos)
                            expected += 1
                        }
                        if expected == 2_000 { break }
                    }
                    try await sending.value
                }
            }
        }
    }

    /// A streamed payload is the last of its batch: what follows it can arrive only when it was read.
    @Test func aStreamedMessageEndsItsBatch() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                try await client.subscribe(to: "a", atMost: .atLeastOnce) { messages in
                    let large = [UInt8](repeating: 7, count: 1 << 20)
                    let sending = Task {
                        for payload in [Payload("1"), Payload("2"), Payload(bytes: large), Payload("3")] {
                            _ = try await client.publish(payload, to: "a", .atLeastOnce).completed
                        }
                    }
                    var sizes: [Int] = []
                    for try await batch in messages.batches {
                        for (index, message) in zip(batch.indices, batch) {
                            #expect(!message.payload.isStreamed || index == batch.endIndex - 1)
                            sizes.append(try await message.payload.collect(upTo: 1 << 20).readableBytes)
                        }
                        if sizes.count == 4 { break }
                    }
                    #expect(sizes == [1, 1, 1 << 20, 1])
                    try await sending.value
                }
            }
        }
    }

    /// What a task does that prefers the client's executor runs on the thread of its connection.
    @Test func theTaskExecutorIsTheEventLoop() async throws {
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker))
            try await client.run { client in
                try await client.waitUntilOnline()
                try await withTaskExecutorPreference(client.taskExecutor) {
                    #expect(client.eventLoop.inEventLoop)
                    _ = try await client.publish("x", to: "a", .atLeastOnce).completed
                    #expect(client.eventLoop.inEventLoop)
                }
            }
        }
    }
}
