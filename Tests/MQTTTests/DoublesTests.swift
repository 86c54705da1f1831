// The test doubles of MQTTTesting: what they answer, what they remember, and where they behave like the client.
import MQTT
import MQTTTesting
import Testing

/// An application that takes any client: it sets what it is told to, and publishes that.
private struct Thermostat<Client: MQTTPublisher & MQTTSubscriber> {
    let client: Client

    func run() async throws {
        try await client.subscribe(to: "set/+", atMost: .atLeastOnce) { messages in
            for try await message in messages {
                let delivery = try await client.publish(message.payload, to: "state/\(message.topic.dropFirst(4))", .atLeastOnce)
                _ = try await delivery.completed
            }
        }
    }
}

private let lost = MQTTError(.connectionLost, .kept, "cut")
private let full = MQTTError(.tooManyRequests, .notSent, "full")

@Suite("Stub") struct ClientStubTests {
    @Test func anApplicationRunsAgainstAStub() async throws {
        let stub = ClientStub(
            source: MessageSource([Message("20", to: "set/hall", .atLeastOnce), Message("18", to: "set/attic", .atLeastOnce)]))
        try await Thermostat(client: stub).run()

        #expect(stub.published.map(\.topic) == ["state/hall", "state/attic"])
        #expect(stub.published.map(\.payload.string) == ["20", "18"])
        #expect(stub.published.allSatisfy { $0.qos == .atLeastOnce && !$0.retain })
        #expect(stub.subscribed == [[Subscription("set/+", atMost: .atLeastOnce)]])
        #expect(stub.unsubscribed == [["set/+"]])
        #expect(stub.source.acknowledged.map(\.topic) == ["set/hall", "set/attic"])
    }

    @Test func aRefusedPublishThrowsAndIsRemembered() async throws {
        let stub = ClientStub(publishing: .refused(full))
        await #expect(throws: full) { try await stub.publish("1", to: "a", .exactlyOnce) }
        #expect(throws: full) { try stub.submit("2", to: "a") }
        #expect(throws: full) { try stub.submit(contentsOf: [Publication("3", to: "a"), Publication("4", to: "a")]) }
        #expect(stub.published.map(\.payload.string) == ["1", "2", "3"])
    }

    @Test func theAnswerCanChange() async throws {
        let stub = ClientStub(publishing: .refused(full), subscribing: .failed(lost), unsubscribing: lost)
        stub.publishing = .completed
        stub.subscribing = .granted()
        stub.unsubscribing = nil
        _ = try await stub.publish("1", to: "a", .atLeastOnce).completed
        try await stub.subscribe(to: [Subscription("a")])
        try await stub.unsubscribe(from: ["a"])
    }

    @Test func publishesAboveAtMostOnceAreNumbered() throws {
        let stub = ClientStub()
        let deliveries = try stub.submit(contentsOf: [
            Publication("1", to: "a", .atLeastOnce), Publication("2", to: "a"), Publication("3", to: "a", .exactlyOnce),
        ])
        #expect(deliveries.map(\.id) == [0, nil, 1])
    }

    @Test func clearingARetainedTopicPublishesNothingWithRetain() async throws {
        let stub = ClientStub()
        try await stub.clearRetained("a")
        let publication = try #require(stub.published.first)
        #expect(publication.payload.isEmpty && publication.retain && publication.qos == .atLeastOnce)
    }

    @Test(arguments: [ClientStub(), ClientStub(publishing: .refused(full), subscribing: .failed(lost))])
    func whatTheClientDeniesIsDeniedAndNotRemembered(stub: ClientStub) async {
        #expect(throws: MQTTError.self) { try stub.submit("1", to: "a/+") }
        await #expect { try await stub.publish("1", to: "", .atLeastOnce) } throws: { ($0 as? MQTTError)?.code == .invalidArgument }
        await #expect { try await stub.subscribe(to: [Subscription("a/#/b")]) } throws: { ($0 as? MQTTError)?.code == .invalidArgument }
        await #expect { try await stub.unsubscribe(from: []) } throws: { ($0 as? MQTTError)?.code == .invalidArgument }
        #expect(stub.published.isEmpty && stub.subscribed.isEmpty && stub.unsubscribed.isEmpty)
    }

    @Test func grantsAreThoseAskedForUpToAMaximum() async throws {
        let stub = ClientStub(subscribing: .granted(atMost: .atLeastOnce))
        let grants = try await stub.subscribe(to: [Subscription("a", atMost: .atMostOnce), Subscription("b")])
        #expect(grants.map(\.qos) == [.atMostOnce, .atLeastOnce])
    }

    @Test func aRefusedFilterIsNamedAmongAllGrants() async throws {
        let stub = ClientStub(subscribing: .refused(["b"]))
        let error = await #expect(throws: MQTTError.self) { try await stub.subscribe(to: [Subscription("a"), Subscription("b")]) }
        #expect(error?.code == .subscribeFailed && error?.fate == .refusedByBroker)
        #expect(error?.grants.map(\.qos) == [.exactlyOnce, nil])
        try await stub.subscribe(to: [Subscription("a")])
    }

    @Test func aScopeWhoseSubscribeFailsDoesNotRun() async {
        let stub = ClientStub(subscribing: .failed(lost), source: MessageSource([Message("1", to: "a", .atLeastOnce)]))
        await #expect(throws: lost) {
            try await stub.subscribe(to: "a") { _ in Issue.record("the scope ran") }
        }
        #expect(stub.source.acknowledged.isEmpty)
    }
}

@Suite("Scripted delivery") struct ScriptedDeliveryTests {
    @Test func stepsGivenInAdvanceAreSeenFromTheFirst() async throws {
        let steps: [Delivery.Progress] = [.interrupted(lost), .interrupted(lost), .completed(Delivery.Outcome())]
        let stub = ClientStub(publishing: .accepted(steps))
        let delivery = try await stub.publish("1", to: "a", .exactlyOnce)
        #expect(try await delivery.completed == Delivery.Outcome())
        var seen: [Delivery.Progress] = []
        for await step in delivery.progress { seen.append(step) }
        #expect(seen == [.stored] + steps)
    }

    @Test func theTestMovesTheDelivery() async throws {
        let script = ScriptedDelivery()
        let delivery = try await ClientStub(publishing: .scripted(script)).publish("1", to: "a", .atLeastOnce)
        var steps = delivery.progress.makeAsyncIterator()
        #expect(await steps.next() == .stored)
        script.interrupt(lost)
        #expect(await steps.next() == .interrupted(lost))
        async let outcome = delivery.completed
        script.complete()
        script.fail(lost)
        #expect(try await outcome.reasonCode == .success)
        #expect(await steps.next() == .completed(Delivery.Outcome()))
        #expect(await steps.next() == nil)
    }

    @Test func aFailureIsThrown() async throws {
        let suspended = MQTTError(.suspended, .unknown, "ended")
        let stub = ClientStub(publishing: .failed(suspended))
        let delivery = try await stub.publish("1", to: "a", .atLeastOnce)
        await #expect(throws: suspended) { try await delivery.completed }
        await #expect(throws: suspended) { try await stub.publish("1", to: "a", until: .written) }
    }

    @Test func aDeliveryIsTakenBackBeforeItsFirstStepOnly() async throws {
        let untouched = ScriptedDelivery().delivery(id: 1)
        #expect(untouched.withdraw())
        await #expect { try await untouched.completed } throws: { ($0 as? MQTTError)?.code == .withdrawn }
        #expect(!untouched.withdraw())
        #expect(!ScriptedDelivery([.interrupted(lost)]).delivery(id: 2).withdraw())
    }

    @Test func cancelingTheWaitLeavesTheDelivery() async throws {
        let script = ScriptedDelivery()
        let delivery = script.delivery(id: 1)
        let wait = Task { try await delivery.completed }
        wait.cancel()
        await #expect { try await wait.value } throws: { ($0 as? MQTTError)?.code == .canceled }
        script.complete()
        #expect(try await delivery.completed == Delivery.Outcome())
    }
}

@Suite("Message source") struct MessageSourceTests {
    @Test func askingForTheNextMessageAcknowledgesTheOneBefore() async throws {
        let source = MessageSource([Message("1", to: "a", .atLeastOnce), Message("2", to: "a"), Message("3", to: "a", .exactlyOnce)])
        var messages = source.messages.makeAsyncIterator()
        #expect(try await messages.next()?.payload.string == "1")
        #expect(source.acknowledged.isEmpty)
        #expect(try await messages.next()?.payload.string == "2")
        #expect(source.acknowledged.map(\.payload.string) == ["1"])
        #expect(try await messages.next()?.payload.string == "3")
        #expect(try await messages.next() == nil)
        #expect(source.acknowledged.map(\.payload.string) == ["1", "3"])
    }

    @Test func messagesOfAScopeLeftByAnErrorAreStillThere() async throws {
        let stub = ClientStub(source: MessageSource([Message("1", to: "a", .atLeastOnce), Message("2", to: "a", .atLeastOnce)]))
        await #expect(throws: lost) {
            try await stub.subscribe(to: "a") { messages in
                for try await _ in messages { throw lost }
            }
        }
        #expect(stub.source.acknowledged.isEmpty && stub.unsubscribed.isEmpty)
        var rest = stub.messages.makeAsyncIterator()
        #expect(try await rest.next()?.payload.string == "1")
        #expect(try await rest.next()?.payload.string == "2")
    }

    @Test func aLoopThatIsLeftHasItsLastMessageFirstInTheNext() async throws {
        let source = MessageSource([Message("1", to: "a", .atLeastOnce), Message("2", to: "a", .atLeastOnce)])
        for try await _ in source.messages { break }
        #expect(source.acknowledged.isEmpty)
        var texts: [String?] = []
        for try await message in source.messages { texts.append(message.payload.string) }
        #expect(texts == ["1", "2"])
        #expect(source.acknowledged.count == 2)
    }

    @Test func aMessageCanBeAcknowledgedWithoutAskingForAnother() async throws {
        let source = MessageSource()
        source.send(Message("1", to: "a", .exactlyOnce))
        var messages = source.messages.makeAsyncIterator()
        #expect(try await messages.next()?.payload.string == "1")
        messages.acknowledge()
        #expect(source.acknowledged.map(\.payload.string) == ["1"])
    }

    @Test func aScopeThatIsLeftNormallyAcknowledgesWhatItHasNotAskedFor() async throws {
        let stub = ClientStub(source: MessageSource([Message("1", to: "a", .atLeastOnce), Message("2", to: "a", .atLeastOnce)]))
        try await stub.subscribe(to: "a") { messages in
            for try await _ in messages { break }
        }
        #expect(stub.source.acknowledged.map(\.payload.string) == ["1", "2"])
        #expect(stub.unsubscribed == [["a"]])
    }

    @Test func aScopeGetsItsTopicsAndTheOthersWait() async throws {
        let source = MessageSource()
        let stub = ClientStub(source: source)
        source.send(Message("1", to: "a/x", .atLeastOnce))
        source.send(Message("2", to: "b", .atLeastOnce))
        try await stub.subscribe(to: "a/+") { messages in
            source.send(Message("3", to: "a/y", .atLeastOnce))
            var received: [String?] = []
            for try await message in messages {
                received.append(message.payload.string)
                if received.count == 2 { break }
            }
            #expect(received == ["1", "3"])
        }
        var rest = stub.messages.makeAsyncIterator()
        #expect(try await rest.next()?.payload.string == "2")
    }

    @Test func theEndMayBeAnError() async throws {
        let source = MessageSource()
        source.send(Message("1", to: "a"))
        source.finish(throwing: lost)
        var messages = source.messages.makeAsyncIterator()
        #expect(try await messages.next()?.payload.string == "1")
        await #expect(throws: lost) { try await messages.next() }
    }

    @Test func acknowledgementsCanBeAwaited() async throws {
        let source = MessageSource([Message("1", to: "a", .exactlyOnce)])
        let application = Task { for try await _ in source.messages {} }
        var acknowledgements = source.acknowledgements.makeAsyncIterator()
        #expect(await acknowledgements.next()?.payload.string == "1")
        try await application.value
    }
}

@Suite("Mock") struct ClientMockTests {
    @Test func theExpectedCallsInOrderAreNoDeviation() async throws {
        let mock = ClientMock(
            expecting: [
                .subscribe(to: "set/+", atMost: .atLeastOnce, receiving: [Message("20", to: "set/hall", .atLeastOnce)]),
                .publish("20", to: "state/hall", .atLeastOnce),
            ])
        mock.source.finish()
        try await Thermostat(client: mock).run()
        #expect(mock.deviations == [])
    }

    @Test func aDifferentCallThrowsAndIsReportedWithWhatIsMissing() async throws {
        let mock = ClientMock(expecting: [.publish("1", to: "a"), .subscribe(to: "b", atMost: .atMostOnce), .unsubscribe(from: "b", "c")])
        await #expect { try await mock.publish("2", to: "a", retain: true) } throws: { ($0 as? MQTTError)?.fate == .denied }
        try await mock.publish("1", to: "a")
        #expect(
            mock.deviations == [
                #"unexpected: publish "2" to "a" atMostOnce retain; expected: publish "1" to "a" atMostOnce"#,
                #"missing: subscribe to "b" at most atMostOnce"#,
                #"missing: unsubscribe from "b", "c""#,
            ])
    }

    @Test func aCallAfterTheLastIsReported() async {
        let mock = ClientMock(expecting: [])
        await #expect(throws: MQTTError.self) { try await mock.subscribe(to: [Subscription("a")]) }
        await #expect(throws: MQTTError.self) { try await mock.unsubscribe(from: ["a"]) }
        #expect(mock.deviations.count == 2)
    }

    @Test(arguments: [
        Publication("12", to: "a", .atLeastOnce), Publication("1", to: "b", .atLeastOnce), Publication("1", to: "a"),
        Publication("1", to: "a", .atLeastOnce, retain: true), Publication("2", to: "a", .atLeastOnce),
    ])
    func everyPartOfAPublishIsCompared(publication: Publication) {
        let mock = ClientMock(expecting: [.publish("1", to: "a", .atLeastOnce)])
        #expect(throws: MQTTError.self) { try mock.submit(publication) }
        #expect(mock.deviations.count == 2)
    }

    @Test func eachCallHasItsAnswer() async throws {
        let mock = ClientMock(
            expecting: [
                .publish("1", to: "a", answer: .refused(full)), .publish("1", to: "a", .atLeastOnce, answer: .failed(lost)),
                .subscribe(to: "b", answer: .refused(["b"])), .unsubscribe(from: "b", throwing: lost),
            ])
        #expect(throws: full) { try mock.submit("1", to: "a") }
        let delivery = try mock.submit(contentsOf: [Publication("1", to: "a", .atLeastOnce)])[0]
        await #expect(throws: lost) { try await delivery.completed }
        await #expect(throws: MQTTError.self) { try await mock.subscribe(to: [Subscription("b")]) }
        await #expect(throws: lost) { try await mock.unsubscribe(from: ["b"]) }
        #expect(mock.deviations == [])
    }
}

@Suite("The client as publisher and subscriber") struct ClientInterfaceTests {
    @Test func theSameApplicationRunsWithAClient() async throws {
        var brokerConfiguration = TestBroker.Configuration()
        brokerConfiguration.address = .inMemory
        let broker = try await TestBroker.start(brokerConfiguration)
        var configuration = Configuration(broker: .tcp(host: "127.0.0.1"), session: .volatile(id: "thermostat"))
        configuration.dialer = broker.dialer
        try await broker.publish([50, 48], to: "set/hall", qos: 1, retain: true)
        try await MQTTClient(configuration).run { client in
            let application = Task { try await Thermostat(client: client).run() }
            try await broker.wait { $0.received.contains { $0.topic == "state/hall" && $0.payload == [50, 48] } }
            application.cancel()
            _ = await application.result
        }
        #expect(try await broker.violations.isEmpty)
        try await broker.stop()
    }
}
