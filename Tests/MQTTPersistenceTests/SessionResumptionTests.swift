import DiskSimulation
import MQTTCore
import MQTTPersistence
import Testing

/// What a session makes of the contents of a store.
@Suite struct SessionResumptionTests {
    private func session(firstSerial: Serial = 0) -> Session {
        var configuration = SessionConfiguration()
        configuration.isDurable = true
        return Session(configuration, seed: 1, firstSerial: firstSerial)
    }

    private func publish(_ serial: Serial, _ qos: QoS, acceptedAt: Int64 = 0, key: String? = nil) -> StoreEntry {
        let head = StoredPublishHead(topic: "t/\(serial)", qos: qos, retain: false, correlationKey: key, acceptedAt: acceptedAt)
        return StoreEntry(.publish(serial), head: head.bytes, bodyLength: 5)
    }

    private func contents(_ entries: [StoreEntry], damage: [StoreDamage] = []) -> StoreContents {
        var contents = StoreContents()
        for entry in entries { contents.append(entry) }
        contents.damage = damage
        return contents
    }

    /// What goes out first, when the broker has kept its session.
    private func firstPackets(_ session: inout Session) -> [Effect] {
        var effects = Effects()
        session.step(.start, at: Instant(nanoseconds: 0), into: &effects)
        session.step(.linkOpened(1), at: Instant(nanoseconds: 0), into: &effects)
        effects.removeAll()
        session.step(.packet(.connack(sessionPresent: true, .success)), at: Instant(nanoseconds: 0), into: &effects)
        return Array(effects.list)
    }

    private let now = Instant(nanoseconds: 1_000_000_000_000)

    @Test func everythingGoesOnInOrder() {
        var session = session(firstSerial: 40_000)
        var visited: [String] = []
        let contents = contents([
            StoreEntry(.client, head: Array("me".utf8), bodyLength: 0), publish(2, .atLeastOnce, key: "k"), publish(3, .exactlyOnce),
            publish(5, .exactlyOnce), StoreEntry(.received(5), head: [], bodyLength: 0), StoreEntry(.inbound(9), head: [], bodyLength: 0),
            StoreEntry(.received(3), head: [], bodyLength: 0),
        ])
        let warnings = session.resume(from: contents, at: now, wallClock: 4_000) { visited.append("\($0) \($1.topic)") }
        #expect(warnings.isEmpty)
        #expect(visited == ["2 t/2", "3 t/3", "5 t/5"])
        #expect(session.outboundBase == 2 && session.outboundEnd == 6 && session.outboundCount == 3)
        let accepted = Instant(nanoseconds: now.nanoseconds - 4_000_000_000)
        #expect(session.unfinished(in: 0 ..< .max, upTo: 100).map(\.acceptedAt) == [accepted, accepted, accepted])
        #expect(
            firstPackets(&session) == [
                .online(sessionPresent: true), .send(.pubrel(PublishID.of(5))), .send(.pubrel(PublishID.of(3))), .load(2),
            ])
    }

    @Test func whatWasGivenUpIsNotSentAgainThoughItsRecordIsThere() throws {
        let store = MemorySessionStore()
        _ = try store.open()
        try store.commit([
            .put(.publish(1), head: publish(1, .exactlyOnce).head), .put(.publish(2), head: publish(2, .exactlyOnce).head),
            .giveUp(1), .put(.received(2)),
        ])
        store.close()
        var session = session()
        var visited: [Serial] = []
        let warnings = session.resume(from: try store.open(), at: now, wallClock: 0) { serial, _ in visited.append(serial) }
        #expect(warnings.isEmpty && visited == [2])
        #expect(session.outboundCount == 1 && !session.isUnfinished(1))
        #expect(
            firstPackets(&session) == [
                .online(sessionPresent: true), .send(.pubrel(PublishID.of(1))), .send(.pubrel(PublishID.of(2))),
            ])
        // When the broker has answered, both records go.
        var effects = Effects()
        session.step(.packet(.pubcomp(PublishID.of(1))), at: now, into: &effects)
        #expect(effects.list == [.store(.removePublish(1, isLazy: true), number: 1)])
    }

    @Test func aLostRecordIsReportedAndItsIdentifierSetFree() {
        var session = session()
        let lost = StoreDamage(.publish(3), "lost")
        let warnings = session.resume(
            from: contents([publish(2, .exactlyOnce), StoreEntry(.received(4), head: [], bodyLength: 0)], damage: [lost]), at: now,
            wallClock: 0)
        #expect(warnings == [lost])
        #expect(session.outboundCount == 1 && session.outboundEnd == 5)
        // What was lost is on disk before PUBREL goes out for it.
        #expect(firstPackets(&session) == [.online(sessionPresent: true), .send(.pubrel(PublishID.of(4))), .load(2)])
        var effects = Effects()
        session.step(.stored(upTo: 1), at: now, into: &effects)
        #expect(effects.list == [.send(.pubrel(PublishID.of(3)))])
    }

    /// What is written next makes the damaged end of a journal void: the number must not be free then, because PUBREL may be under way.
    @Test func aLossIsKnownToTheRunsThatFollow() throws {
        let disk = SimulatedDisk()
        let store = JournalSessionStore(at: "store", files: disk)
        _ = try store.open()
        for (number, qos) in [(1, QoS.atLeastOnce), (2, .exactlyOnce)] as [(Serial, QoS)] {
            try store.commit([.put(.publish(number), head: publish(number, qos).head, body: [1, 2, 3])])
        }
        store.close()
        let path = try #require(disk.files.keys.filter { $0.contains("journal") }.max())
        disk.files[path]?[disk.files[path, default: []].count - 1] ^= 1

        var losing = session()
        let damage = losing.resume(from: try store.open(), at: now, wallClock: 0)
        #expect(damage.map(\.key) == [.publish(2)])
        var effects = Effects()
        losing.step(.start, at: now, into: &effects)
        #expect(effects.list == [.store(.givenUp(2), number: 1), .dial(1)])
        try store.commit([.giveUp(2)])
        store.close()

        var next = session()
        #expect(next.resume(from: try store.open(), at: now, wallClock: 0).filter { $0.key == .publish(2) }.isEmpty)
        #expect(next.outboundEnd == 3)
        #expect(firstPackets(&next) == [.online(sessionPresent: true), .send(.pubrel(PublishID.of(2))), .load(1)])
        store.close()
    }

    @Test func whatCannotBeNamedLeavesAGapInTheNumbers() {
        var session = session()
        _ = session.resume(
            from: contents([publish(2, .atLeastOnce)], damage: [StoreDamage(nil, "a hole")]), at: now, wallClock: 0)
        #expect(session.outboundEnd == 3 + 1_024)
        #expect(!(3..<2_000).contains { session.isUnfinished($0) }, "the gap is empty")
        #expect(session.unfinished(in: 0 ..< .max, upTo: 100).map(\.serial) == [2])
        var empty = self.session(firstSerial: 70)
        _ = empty.resume(from: contents([], damage: [StoreDamage(nil, "a hole")]), at: now, wallClock: 0)
        #expect(empty.outboundEnd == 70 + 1_024)
    }

    @Test func recordsThatCannotBeAreReportedAndStay() {
        var session = session()
        let unknown = StoreEntry(.publish(8), head: [99], bodyLength: 0)
        let volatile = StoreEntry(
            .publish(9), head: StoredPublishHead(topic: "t", qos: .atMostOnce, retain: false, correlationKey: nil, acceptedAt: 0).bytes,
            bodyLength: 0)
        let warnings = session.resume(
            from: contents([publish(2, .atLeastOnce), unknown, volatile, publish(1 << 62, .atLeastOnce), publish(.max, .exactlyOnce)]),
            at: now, wallClock: 0)
        #expect(warnings.map(\.key) == [.publish(8), .publish(9), .publish(1 << 62), .publish(.max)])
        #expect(warnings.allSatisfy { $0.description.contains("stays in the store") })
        #expect(session.outboundCount == 1)
        #expect(session.outboundEnd == 10, "numbers of what stays in the store are not used again")
    }

    @Test func timesThatCannotBeDoNoHarm() {
        for (acceptedAt, wallClock) in [(Int64.min, Int64.max), (.max, .min), (.min, 0), (.max, 0), (0, .max), (0, .min)] {
            var session = session()
            _ = session.resume(from: contents([publish(0, .atLeastOnce, acceptedAt: acceptedAt)]), at: now, wallClock: wallClock)
            #expect(session.outboundCount == 1)
            #expect(session.unfinished(in: 0 ..< .max, upTo: 100).allSatisfy { $0.acceptedAt <= now })
        }
    }

    @Test func twoResumptionsInARowGiveTheSame() throws {
        let disk = SimulatedDisk()
        let store = JournalSessionStore(at: "store", files: disk)
        _ = try store.open(for: "me", .new)
        try store.commit((1...50).map { .put(.publish($0), head: publish($0, $0 % 2 == 0 ? .exactlyOnce : .atLeastOnce).head) })
        try store.commit([.put(.received(30)), .put(.inbound(4)), .put(.received(10)), .delete(.publish(1), lazily: true), .giveUp(20)])
        store.close()
        var random = SeededRandom(seed: 1)
        var sessions: [Session] = []
        var disks = disk
        for _ in 0..<3 {
            disks = disks.crashed(.nothing, &random)
            var session = session()
            #expect(session.resume(from: try JournalSessionStore(at: "store", files: disks).open(), at: now, wallClock: 7).isEmpty)
            sessions.append(session)
        }
        #expect(sessions[0] == sessions[1] && sessions[1] == sessions[2])
        #expect(
            firstPackets(&sessions[0]).prefix(4) == [
                .online(sessionPresent: true), .send(.pubrel(PublishID.of(30))), .send(.pubrel(PublishID.of(10))),
                .send(.pubrel(PublishID.of(20))),
            ])
    }

    @Test func theHeadOfAPublishIsReadAsItWasWritten() {
        for head in [
            StoredPublishHead(topic: "a/b", qos: .exactlyOnce, retain: true, correlationKey: "order 7", acceptedAt: 1_700_000_000_000),
            StoredPublishHead(topic: "ä/€/😀", qos: .atLeastOnce, retain: false, correlationKey: "", acceptedAt: -1),
            StoredPublishHead(topic: "t", qos: .atLeastOnce, retain: false, correlationKey: nil, acceptedAt: .min),
        ] {
            #expect(StoredPublishHead(head.bytes) == head)
            for end in 0..<head.bytes.count { _ = StoredPublishHead(Array(head.bytes[..<end])) }
        }
        // The bytes of Format.md.
        let head = StoredPublishHead(topic: "t", qos: .exactlyOnce, retain: true, correlationKey: "k", acceptedAt: 0x0102_0304_0506)
        #expect(head.bytes == [1, 0x0E, 6, 5, 4, 3, 2, 1, 0, 0, 1, 0, 0, 0, 0x6B, 0x74])
        for bytes in [[], [2] + head.bytes.dropFirst(), [1, 0x1E] + head.bytes.dropFirst(2), [1, 3] + head.bytes.dropFirst(2)] {
            #expect(StoredPublishHead(bytes) == nil)
        }
    }
}
