// Payloads that are in the store alone: read in time, within bounds, and nothing is sent without them.
import MQTTCore
import Testing

struct LoadingTests {
    private func resumed(
        _ count: Int, _ qos: QoS = .atLeastOnce, bytes: Int = 10, _ configure: (inout SessionConfiguration) -> Void = { _ in }
    ) -> Scenario {
        var configuration = SessionConfiguration()
        configuration.isDurable = true
        configure(&configuration)
        var it = Scenario()
        it.session = Session(configuration, seed: 1)
        for serial in 0..<UInt64(count) {
            #expect(it.session.resume(ResumedPublish(serial, qos, bytes: bytes, acceptedAt: it.now)) == true)
        }
        return it
    }

    private func loads(_ effects: [Effect]) -> [Serial] {
        effects.compactMap { if case .load(let serial) = $0 { serial } else { nil } }
    }

    @Test func theWindowIsReadAheadAndRefilledByHalves() {
        var it = resumed(1_000) { $0.limits.inFlight = 1 }
        #expect(loads(it.connect(sessionPresent: true)) == Array(0..<256))
        for serial in 0..<256 as Range<Serial> { it.on(.loaded(serial)) }
        var asked: [[Serial]] = []
        for serial in 0..<256 as Range<Serial> {
            let effects = it.receive(.puback(id(serial)))
            if !loads(effects).isEmpty { asked.append(loads(effects)) }
        }
        // One is in flight, so the 128th acknowledgement moves the window by half.
        #expect(asked == [Array(256..<385)])
    }

    @Test func memoryBoundsWhatIsReadButForTheNext() {
        var it = resumed(100, bytes: 1_000) {
            $0.limits.memoryBytes = 3_000
            $0.limits.inFlight = 2
        }
        // Each takes its bytes and 256.
        #expect(loads(it.connect(sessionPresent: true)) == [0, 1, 2])
        for serial in 0..<3 as Range<Serial> { it.on(.loaded(serial)) }
        #expect(loads(it.receive(.puback(id(0)))) == [3])
        it.on(.loaded(3))
        #expect(loads(it.receive(.puback(id(1)))) == [4])
        var big = resumed(10, bytes: 1_000_000) { $0.limits.memoryBytes = 1 }
        #expect(loads(big.connect(sessionPresent: true)) == [0])
        #expect(big.on(.loaded(0)) == [.sendPublish(0, id(0), isDuplicate: true), .load(1)])
        #expect(big.on(.loaded(1)) == [.sendPublish(1, id(1), isDuplicate: true), .load(2)])
    }

    @Test func whatAnEarlierRunLeftIsReadWithoutABoundToo() {
        var it = resumed(3) { $0.limits.memoryBytes = .max }
        #expect(loads(it.connect(sessionPresent: true)) == [0, 1, 2])
        #expect(it.on(.loaded(0)) == [.sendPublish(0, id(0), isDuplicate: true)])
    }

    @Test func nothingIsReadWithoutAConnection() {
        var it = resumed(3)
        it.on(.start)
        #expect(it.on(.linkOpened(1)) == [.sendConnect(cleanSession: false)])
        #expect(it.on(.loaded(0)) == [], "nobody asked for it")
        #expect(loads(it.receive(.connack(sessionPresent: true, .success))) == [0, 1, 2])
    }

    @Test func aLossWhileLoadingAsksForNothingTwice() {
        var it = resumed(3)
        #expect(loads(it.connect(sessionPresent: true)) == [0, 1, 2])
        it.on(.loaded(1))
        it.cut()
        it.on(.loaded(0))
        #expect(
            it.connect(sessionPresent: true).filter { $0 != .online(sessionPresent: true) }
                == (0..<2).map {
                    .sendPublish($0, id($0), isDuplicate: true)
                })
        #expect(it.on(.loaded(2)) == [.sendPublish(2, id(2), isDuplicate: true)])
        #expect(it.on(.loaded(2)) == [])
    }

    @Test func whatIsNotInMemoryHoldsBackThoseBehindIt() {
        var it = resumed(3)
        it.publish(.atLeastOnce)
        it.on(.stored(upTo: 1))
        it.connect(sessionPresent: true)
        #expect(it.on(.loaded(1)) == [])
        #expect(it.on(.loaded(2)) == [])
        #expect(
            it.on(.loaded(0)) == (0..<4).map { .sendPublish($0, id($0), isDuplicate: $0 < 3) })
    }

    @Test func beyondTheMemoryPayloadsLeaveItAsSoonAsTheyAreStored() {
        var configuration = SessionConfiguration()
        configuration.isDurable = true
        configuration.limits.memoryBytes = 266 * 300
        var it = Scenario()
        it.session = Session(configuration, seed: 1)
        for _ in 0..<400 { it.publish(.atLeastOnce) }
        let effects = it.on(.stored(upTo: 400))
        #expect(effects == (0..<400).map { .stored($0) } + (300..<400).map { .unload($0) })
        it.connect()
        // Half of the window is sent, and acknowledged: those that left are read again.
        var asked: [Serial] = []
        for serial in 0..<400 as Range<Serial> {
            let read = loads(it.receive(.puback(id(serial))))
            asked += read
            for serial in read { it.on(.loaded(serial)) }
        }
        #expect(asked == Array(300..<400))
        #expect(it.session.outboundCount == 0)
    }

    @Test func aPayloadThatIsDueStays() {
        var configuration = SessionConfiguration()
        configuration.isDurable = true
        configuration.limits.memoryBytes = 0
        configuration.limits.inFlight = 1
        var it = Scenario()
        it.session = Session(configuration, seed: 1)
        it.connect()
        for _ in 0..<300 { it.publish(.atLeastOnce) }
        let unloaded = it.on(.stored(upTo: 300)).filter { if case .unload = $0 { true } else { false } }
        #expect(unloaded == (257..<300).map { .unload($0) }, "0 is sent, and the window is behind it")
        #expect(it.receive(.puback(id(0))).onTheWire == [.sendPublish(1, id(1), isDuplicate: false)])
    }

    @Test func anUnreadablePublishOfThisRunIsGone() {
        var configuration = SessionConfiguration()
        configuration.isDurable = true
        configuration.limits.memoryBytes = 0
        var it = Scenario()
        it.session = Session(configuration, seed: 1)
        for _ in 0..<300 { it.publish(.exactlyOnce) }
        it.on(.stored(upTo: 300))
        it.connect()
        #expect(it.on(.unreadable(299)) == [.completed(299, .unreadable(perhapsSent: false))])
        #expect(it.on(.unreadable(299)) == [])
        #expect(!it.session.isUnfinished(299) && it.session.outboundCount == 299)
    }

    @Test func anUnreadablePublishOfAnEarlierRunFreesItsIdentifier() {
        var it = resumed(2, .exactlyOnce)
        it.connect(sessionPresent: true)
        it.on(.loaded(1))
        #expect(
            it.on(.unreadable(0)) == [
                .store(.givenUp(0), number: 1), .completed(0, .unreadable(perhapsSent: true)),
                .sendPublish(1, id(1), isDuplicate: true),
            ])
        #expect(it.on(.stored(upTo: 1)) == [.send(.pubrel(id(0)))])
        #expect(it.receive(.pubcomp(id(0))) == [.store(.removePublish(0, isLazy: true), number: 2)])
        var other = resumed(2)
        other.connect(sessionPresent: true)
        #expect(other.on(.unreadable(0)) == [.completed(0, .unreadable(perhapsSent: true))], "its record stays")
        #expect(other.on(.loaded(1)) == [.sendPublish(1, id(1), isDuplicate: true)])
    }

    @Test func aLoadedPayloadOfWhatIsGoneChangesNothing() {
        var it = resumed(3, .exactlyOnce)
        it.connect(sessionPresent: true)
        it.on(.evict(1))
        #expect(it.on(.loaded(1)) == [])
        #expect(it.on(.unreadable(1)) == [])
        #expect(it.session.outboundCount == 2)
        #expect(it.on(.loaded(0)).onTheWire == [.sendPublish(0, id(0), isDuplicate: true)])
        #expect(it.on(.loaded(2)).onTheWire == [.sendPublish(2, id(2), isDuplicate: true)])
    }
}
