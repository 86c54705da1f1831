import MQTT
import MQTTTesting
import Testing

/// What a store that cannot be written does to each flow: it stalls what depends on it, and loses nothing that was accepted.
@Suite(.timeLimit(.minutes(4))) struct FailingStoreFlowTests {
    @Test(arguments: [QoS.atLeastOnce, .exactlyOnce])
    func aPublishFailsAndAFollowingOneIsRefused(qos: QoS) async throws {
        let store = ScriptedStore()
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker, in: store))
            try await client.run { client in
                try await client.waitUntilOnline()
                let before = try await client.publish(Publication(0, qos))
                store.fail(with: ScriptedStore.full)
                store.hold()
                let first = try client.submit(Publication(1, qos))
                var progress = first.progress.makeAsyncIterator()
                store.release()
                let failed = await failure { _ = try await first.completed }
                #expect(failed?.code == .persistence && failed?.fate == .unknown && failed?.message == ScriptedStore.full.message)
                #expect(await failure { try await first.stored() } == failed)
                #expect(await progress.next() == failed.map { .failed($0) })
                // Nothing is accepted until it can be stored.
                let refused = await failure { _ = try client.submit(Publication(2, qos)) }
                #expect(refused?.code == .persistence && refused?.fate == .notSent)
                // QoS 0 needs no store, and what was accepted before goes on; at QoS 2 as far as PUBREC.
                try await client.publish("free", to: "t", until: .written)
                if qos == .atLeastOnce { _ = try await before.completed }
                store.fail(with: nil)
                _ = try await before.completed
                _ = try await published(client, Publication(3, qos)).completed
            }
            // The one that failed does not come back.
            #expect(Set(try await broker.received.map(\.text)) == ["0", "free", "3"])
            #expect(try store.memory.keys() == [.client])
        }
    }

    /// Again and again, until the store has recovered.
    private func published(_ client: MQTTClient, _ publication: Publication) async throws -> Delivery {
        while true {
            do throws(MQTTError) {
                return try await client.publish(publication)
            } catch {
                guard error.code == .persistence else { throw error }
                await Task.yield()
            }
        }
    }

    @Test func pubrelWaitsUntilThePubrecIsStored() async throws {
        let store = ScriptedStore()
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer, in: store))
        let running = Task { try await client.run() }
        let peer = try await server.accept()
        let delivery = try await client.publish(Publication(0, .exactlyOnce))
        let publish = try await peer.packet()
        let id = Array(publish[5..<7])
        store.fail(with: ScriptedStore.full)
        let count = store.commits.count
        try await peer.send([0x50, 2] + id)
        await store.wait { $0.commits.count > count }
        // The connection works meanwhile, and PUBREL is not on it.
        let ping = client.submitPing()
        #expect(try await peer.packet() == [0xC0, 0])
        try await peer.send([0xD0, 0])
        try await ping.response
        store.fail(with: nil)
        #expect(try await peer.packet() == [0x62, 2] + id)
        try await peer.send([0x70, 2] + id)
        _ = try await delivery.completed
        await client.close()
        try await running.value
        #expect(try store.memory.keys() == [.client])
        try await server.stop()
    }

    @Test func afterACrashBeforeThePubrecIsStoredThePublishGoesOutAgain() async throws {
        let store = ScriptedStore()
        let server = try await ScriptedBroker.start()
        let first = try MQTTClient(settings(dialer: server.dialer, in: store))
        let running = Task { try await first.run() }
        let peer = try await server.accept()
        try await first.publish(Publication(0, .exactlyOnce))
        let publish = try await peer.packet()
        let id = Array(publish[5..<7])
        store.fail(with: ScriptedStore.full)
        let count = store.commits.count
        try await peer.send([0x50, 2] + id)
        await store.wait { $0.commits.count > count }
        await first.close()
        try await running.value
        store.fail(with: nil)
        let second = try MQTTClient(settings(dialer: server.dialer, in: store))
        let secondRunning = Task { try await second.run() }
        let again = try await server.accept(sessionPresent: true)
        // The same identifier, with DUP: the broker knows it, and answers with PUBREC.
        #expect(try await again.packet() == [publish[0] | 8] + publish.dropFirst())
        try await again.send([0x50, 2] + id)
        #expect(try await again.packet() == [0x62, 2] + id)
        await second.close()
        try await secondRunning.value
        try await server.stop()
    }

    @Test func anInboundMessageIsHandedOverAndPubrecWaits() async throws {
        let store = ScriptedStore()
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer, in: store))
        let running = Task { try await client.run() }
        let peer = try await server.accept()
        store.fail(with: ScriptedStore.full)
        // The application gets the message: its store is not the library's.
        try await peer.send(publishPacket("in", [65], qos: 2, id: 7) + publishPacket("in", [66], qos: 1, id: 8))
        var iterator = client.messages.makeAsyncIterator()
        #expect(try await iterator.next()?.payload.string == "A")
        let count = store.commits.count
        #expect(try await iterator.next()?.payload.string == "B")
        await store.wait { $0.commits.count > count }
        iterator.acknowledge()
        // Acknowledgements keep their order, so PUBACK waits behind PUBREC [MQTT-4.6.0-2]. The connection works meanwhile.
        let ping = client.submitPing()
        #expect(try await peer.packet() == [0xC0, 0])
        try await peer.send([0xD0, 0])
        try await ping.response
        // A repetition is not handed over again.
        try await peer.send(publishPacket("in", [65], qos: 2, id: 7, flags: 8) + publishPacket("in", [67], qos: 0))
        #expect(try await iterator.next()?.payload.string == "C")
        store.fail(with: nil)
        #expect(try await peer.packet() == [0x50, 2, 0, 7])
        #expect(try await peer.packet() == [0x40, 2, 0, 8])
        #expect(try await peer.packet() == [0x50, 2, 0, 7])
        store.fail(with: ScriptedStore.full)
        try await peer.send([0x62, 2, 0, 7])
        await store.wait { $0.commits.last == .delete(.inbound(7)) }
        let second = client.submitPing()
        #expect(try await peer.packet() == [0xC0, 0])
        try await peer.send([0xD0, 0])
        try await second.response
        store.fail(with: nil)
        #expect(try await peer.packet() == [0x70, 2, 0, 7])
        await client.close()
        try await running.value
        #expect(try store.memory.keys() == [.client])
        try await server.stop()
    }

    @Test func aLostSessionWaitsForTheStoreBeforeItSendsAgain() async throws {
        let store = ScriptedStore()
        let server = try await ScriptedBroker.start()
        let client = try MQTTClient(settings(dialer: server.dialer, in: store))
        let running = Task { try await client.run() }
        let peer = try await server.accept()
        let delivery = try await client.publish(Publication(0, .exactlyOnce))
        let id = Array(try await peer.packet()[5..<7])
        try await peer.send([0x50, 2] + id)
        #expect(try await peer.packet() == [0x62, 2] + id)
        store.fail(with: ScriptedStore.full)
        let count = store.commits.count
        try await peer.close()
        let again = try await server.accept(sessionPresent: false)
        await store.wait { $0.commits.count > count }
        let ping = client.submitPing()
        #expect(try await again.packet() == [0xC0, 0])
        try await again.send([0xD0, 0])
        try await ping.response
        store.fail(with: nil)
        // A new message, without DUP.
        #expect(try await again.packet()[0] == 0x34)
        try await again.send([0x50, 2] + id)
        _ = try await again.packet()
        try await again.send([0x70, 2] + id)
        _ = try await delivery.completed
        await client.close()
        try await running.value
        try await server.stop()
    }

    @Test func theEndOfTheClientTellsWhatCouldNotBeStored() async throws {
        let store = ScriptedStore()
        let client = try MQTTClient(settings(dialer: nowhere, in: store))
        let before = try await client.publish(Publication(0, .atLeastOnce))
        store.hold()
        let first = try client.submit(Publication(1, .atLeastOnce))
        var states = client.connectionStates.makeAsyncIterator()
        let closing = Task { await client.close() }
        #expect(await states.next() == .closed)
        store.fail(with: ScriptedStore.full)
        store.release()
        await closing.value
        let failed = await failure { _ = try await first.completed }
        // Part of the commit may be there.
        #expect(failed?.code == .persistence && failed?.fate == .unknown)
        #expect(await failure { try await first.stored() }?.code == .persistence)
        let kept = await failure { _ = try await before.completed }
        #expect(kept?.code == .suspended && kept?.fate == .kept)
        #expect(!store.isOpen)
        #expect(try store.memory.keys().count == 2)
    }

    @Test func aFlushThatFailedIsHeardToBeOver() async throws {
        let store = ScriptedStore()
        try await withBroker { broker in
            let client = try MQTTClient(settings(broker, in: store))
            try await client.run { client in
                // Nothing but a lazy removal is left: it is flushed by and by.
                store.failFlushes(true)
                _ = try await client.publish(Publication(0, .atLeastOnce)).completed
                await store.wait { $0.failedFlushes > 0 }
                store.failFlushes(false)
                _ = try await published(client, Publication(1, .atLeastOnce)).completed
            }
            #expect(try await broker.received.map(\.text) == ["0", "1"])
        }
    }

    @Test func aRecordThatCannotBeReadEndsItsDeliveryAndTheOthersGoOn() async throws {
        let store = ScriptedStore()
        try await withBroker { broker in
            let first = try MQTTClient(settings(broker, in: store))
            let ids = try (0..<6).map { try #require(first.submit(Publication($0, $0 < 3 ? .atLeastOnce : .exactlyOnce)).id) }
            await first.close()
            let second = try MQTTClient(settings(broker, in: store))
            let found = try await second.deliveries.all()
            store.makeUnreadable([.publish(ids[1]), .publish(ids[4])])
            try await second.run { client in
                for number in [0, 2, 3, 5] { _ = try await found[number].delivery.completed }
                for number in [1, 4] {
                    let error = await failure { _ = try await found[number].delivery.completed }
                    #expect(error?.code == .persistence && error?.fate == .unknown)
                }
            }
            #expect(try await broker.received.map(\.text) == ["0", "2", "3", "5"])
            // That of QoS 1 is tried again at the next start. Of QoS 2 the broker has been told to forget the identifier.
            #expect(try store.memory.keys() == [.client, .publish(ids[1])])
        }
    }
}
