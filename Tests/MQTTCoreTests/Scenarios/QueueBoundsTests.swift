// What waits for too long, or has to give way to something newer.
import MQTTCore
import Testing

struct QueueBoundsTests {
    /// A session that has not started, whose publishes may wait for ten seconds.
    private func ageing(isDurable: Bool = false, _ configure: (inout SessionConfiguration) -> Void = { _ in }) -> Scenario {
        Scenario {
            $0.limits.queuedAge = .seconds(10)
            $0.isDurable = isDurable
            configure(&$0)
        }
    }

    private func expired(_ serial: Serial, perhapsSent: Bool = false) -> Effect { .completed(serial, .expired(perhapsSent: perhapsSent)) }

    private func seconds(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    // MARK: Age

    @Test func whatIsTooOldIsDroppedByTheDeadlineAlone() {
        var it = ageing()
        it.publish(.atLeastOnce)
        it.advance(by: .seconds(4))
        it.publish(.exactlyOnce)
        #expect(it.session.deadline == it.now + Duration.seconds(6).nanoseconds)
        #expect(it.advance(by: .seconds(5)) == [])
        #expect(it.advance(by: .seconds(1)) == [expired(0)])
        #expect(it.advance(by: .seconds(4)) == [expired(1)])
        #expect(it.session.deadline == nil && it.session.outboundCount == 0)
        #expect(it.advance(by: .seconds(3_600)) == [])
    }

    @Test func agesInEveryPhase() {
        // Idle, connecting, handshaking, waiting.
        for steps in 0..<4 {
            var it = ageing {
                $0.pauseTimeout = 0
                $0.keepAliveSeconds = 0
                $0.reconnectMinimum = 3_600_000_000_000
            }
            if steps > 0 { it.on(.start) }
            if steps > 1 { it.on(.linkOpened(1)) }
            if steps > 2 { it.on(.linkClosed(1)) }
            it.publish(.atLeastOnce)
            #expect(it.advance(by: .seconds(11)) == [expired(0)], "\(it.session.phase)")
        }
        // Online, behind what fills the places in flight.
        var it = ageing {
            $0.keepAliveSeconds = 0
            $0.limits.inFlight = 1
        }
        it.connect()
        it.publish(.atLeastOnce)
        it.publish(.atLeastOnce)
        #expect(it.advance(by: .seconds(60)) == [expired(1)], "what is sent is past that")
        #expect(it.receive(.puback(id(0))) == [.completed(0, .acknowledged(.success))])
        // What ended grows no older.
        it = ageing()
        it.publish(.atLeastOnce)
        it.on(.close)
        #expect(it.session.deadline == nil)
        #expect(it.on(.tick) == [])
    }

    @Test func whatWasSentOnceIsNotTooOldAfterALoss() {
        var it = ageing { $0.keepAliveSeconds = 0 }
        it.connect()
        it.publish(.atLeastOnce)
        it.cut()
        #expect(it.advance(by: .seconds(60)).filter { $0 == expired(0) } == [])
        #expect(it.connect(sessionPresent: true).onTheWire == [.sendPublish(0, id(0), isDuplicate: true)])
    }

    @Test func aDurableSessionRemovesWhatIsTooOldFromItsStore() {
        var it = ageing(isDurable: true)
        it.publish(.atLeastOnce)
        #expect(it.advance(by: .seconds(11)) == [expired(0), .store(.removePublish(0, isLazy: false), number: 2)])
        #expect(it.on(.stored(upTo: 2)) == [], "it was never reported stored")
    }

    @Test func ageGoesOnOverARestart() {
        var it = ageing(isDurable: true)
        for (serial, accepted) in [(0, -9), (1, -3), (2, 1)] as [(Serial, Int64)] {
            let publish = ResumedPublish(serial, serial == 1 ? .exactlyOnce : .atLeastOnce, bytes: 1, acceptedAt: seconds(accepted))
            #expect(it.session.resume(publish) == true)
        }
        #expect(it.session.deadline == it.now)
        #expect(it.advance(by: .zero) == [expired(0, perhapsSent: true), .store(.removePublish(0, isLazy: false), number: 1)])
        // Its identifier may be in use at the broker.
        #expect(it.advance(by: .seconds(6)) == [expired(1, perhapsSent: true), .store(.givenUp(1), number: 2)])
        it.on(.stored(upTo: 2))
        #expect(it.connect(sessionPresent: true) == [.online(sessionPresent: true), .send(.pubrel(id(1))), .load(2)])
    }

    @Test func theAgeOfWhatIsGivenUpKeepsNothingAlive() {
        // The given-up one has no age. A deadline that nothing is done about would be a busy loop.
        var it = ageing(isDurable: true)
        #expect(it.session.resumeGivenUp(0) == true)
        #expect(it.session.resume(ResumedPublish(1, .atLeastOnce, bytes: 1, acceptedAt: seconds(-3_600))) == true)
        #expect(it.advance(by: .zero).contains(expired(1, perhapsSent: true)))
        #expect(it.session.deadline == nil)
    }

    @Test func aClockThatWasSetBackDelaysAndNeverLoops() {
        var it = ageing(isDurable: true)
        for (serial, accepted) in [(0, 0), (1, -50), (2, -2)] as [(Serial, Int64)] {
            #expect(it.session.resume(ResumedPublish(serial, .atLeastOnce, bytes: 1, acceptedAt: seconds(accepted))) == true)
        }
        #expect(it.advance(by: .seconds(8)).isEmpty)
        let effects = it.advance(by: .seconds(1)).filter { if case .completed = $0 { true } else { false } }
        #expect(effects == (0..<3).map { expired($0, perhapsSent: true) })
    }

    // MARK: Eviction

    @Test func theOldestOfALevelGivesWay() {
        var it = Scenario()
        for qos in [QoS.exactlyOnce, .atLeastOnce, .atLeastOnce, .exactlyOnce] { it.publish(qos) }
        #expect(it.on(.evictOldest(.atLeastOnce)) == [.completed(1, .evicted(perhapsSent: false))])
        #expect(it.on(.evictOldest(.exactlyOnce)) == [.completed(0, .evicted(perhapsSent: false))])
        #expect(it.on(.evictOldest(.atLeastOnce)) == [.completed(2, .evicted(perhapsSent: false))])
        #expect(it.on(.evictOldest(.atLeastOnce)) == [])
        it.publish(.atLeastOnce)
        #expect(it.on(.evictOldest(.atLeastOnce)) == [.completed(4, .evicted(perhapsSent: false))])
        #expect(it.on(.evict(3)) == [.completed(3, .evicted(perhapsSent: false))])
        #expect(it.on(.evict(3)) == [] && it.on(.evict(99)) == [])
    }

    @Test func whatWasSentStays() {
        var it = Scenario.online()
        it.publish(.atLeastOnce)
        it.publish(.exactlyOnce)
        #expect(it.on(.evict(0)) == [] && it.on(.evictOldest(.exactlyOnce)) == [])
        it.cut()
        #expect(it.on(.evict(0)) == [] && it.on(.evictOldest(.exactlyOnce)) == [])
    }

    @Test func aDurableSessionBringsAnEvictionToItsStore() {
        var it = Scenario { $0.isDurable = true }
        it.publish(.exactlyOnce)
        #expect(it.on(.evict(0)) == [.completed(0, .evicted(perhapsSent: false)), .store(.removePublish(0, isLazy: false), number: 2)])
        var resumed = Scenario { $0.isDurable = true }
        for serial in 0..<2 as Range<Serial> {
            #expect(resumed.session.resume(ResumedPublish(serial, .exactlyOnce, bytes: 5, acceptedAt: seconds(0))) == true)
        }
        #expect(resumed.session.resumeReceived(0) == true)
        #expect(resumed.on(.evict(0)) == [], "PUBREC came: it has arrived")
        #expect(resumed.on(.evictOldest(.exactlyOnce)) == [.completed(1, .evicted(perhapsSent: true)), .store(.givenUp(1), number: 1)])
        #expect(resumed.session.outboundCount == 1)
    }

    @Test func roomIsMadeForTheNextPublish() {
        var it = Scenario { $0.limits.atLeastOnce = 2 }
        it.publish(.atLeastOnce)
        it.publish(.atLeastOnce)
        #expect(it.publish(.atLeastOnce) == [.refused(.tooManyRequests)])
        it.on(.evictOldest(.atLeastOnce))
        #expect(it.publish(.atLeastOnce) == [.accepted(2)])
    }

    @Test func ofManyQoS2PublishesOfEarlierRunsOneWindowGivesWayAtATime() {
        let window = UInt64(PublishID.count)
        var it = Scenario {
            $0.isDurable = true
            $0.limits.exactlyOnce = 200_000
            $0.limits.queuedAge = .seconds(10)
        }
        for serial in 0..<window + 10 {
            _ = it.session.resume(ResumedPublish(serial, .exactlyOnce, bytes: 1, acceptedAt: it.now))
        }
        it.advance(by: .seconds(11))
        #expect(it.session.outboundCount == 10, "identifiers of the others are not free")
        #expect(it.session.deadline == nil)
        #expect(it.on(.evictOldest(.exactlyOnce)) == [])
        it.publish(.exactlyOnce)
        #expect(it.on(.evictOldest(.exactlyOnce)).first == .completed(window + 10, .evicted(perhapsSent: false)))
        it.on(.stored(upTo: .max))
        it.connect(sessionPresent: true)
        // As soon as identifiers are free again, their turn comes.
        it.receive(.pubcomp(id(0)))
        #expect(it.session.outboundCount == 10)
        #expect(it.on(.tick).contains(expired(window, perhapsSent: true)))
        #expect(it.session.outboundCount == 9)
    }

    @Test func aClockThatWasSetBackHidesNothing() {
        var it = ageing(isDurable: true) {
            $0.keepAliveSeconds = 0
            $0.limits.inFlight = 1
        }
        // The last one was accepted after the one ahead of it, by a clock that was set back in between.
        for (serial, second) in [Serial](0..<3).enumerated().map({ ($0.element, [0, 9, 2][$0.offset]) }) {
            _ = it.session.resume(ResumedPublish(serial, .atLeastOnce, bytes: 1, acceptedAt: it.now + Duration.seconds(second).nanoseconds))
        }
        it.connect(sessionPresent: true)
        for serial in 1..<3 as Range<Serial> { it.on(.loaded(serial)) }
        // The first is not loaded, and the others wait behind it, until its time is over. The second goes out then.
        // The timer is late, by which the third is over too.
        let late = it.now + Duration.seconds(13).nanoseconds
        var effects = Effects()
        it.session.step(.tick, at: late, into: &effects)
        #expect(effects.list.contains(expired(0, perhapsSent: true)))
        #expect(effects.list.contains(expired(2, perhapsSent: true)))
        #expect(it.session.outboundCount == 1)
        #expect(it.session.deadline.map { $0 > late } ?? true, "the next tick is ahead")
    }
}
