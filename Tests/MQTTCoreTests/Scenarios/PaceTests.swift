// When the next attempt comes, by wish in place of the usual pause.
import MQTTCore
import Testing

struct PaceTests {
    private func failing(_ minimum: Duration = .milliseconds(100), _ maximum: Duration = .seconds(60)) -> Scenario {
        var it = Scenario {
            $0.reconnectMinimum = minimum.nanoseconds
            $0.reconnectMaximum = maximum.nanoseconds
        }
        for _ in 0..<8 {
            it.open()
            it.cut()
        }
        return it
    }

    @Test func nowDialsAtOnceAndBeginsWithTheLeastPauseAgain() {
        var it = failing()
        #expect(it.pause ?? .zero > .seconds(1))
        let link = it.link
        #expect(it.on(.pace(.now)) == [.dial(link + 1)])
        #expect(it.on(.pace(.now)) == [])
        it.cut()
        #expect(it.pause == .milliseconds(100))
    }

    @Test func soonIsTheLeastPauseAndLaterOnesGrowOn() {
        var it = failing()
        let usual = it.pause ?? .zero
        #expect(it.on(.pace(.soon)) == [])
        #expect(it.pause == .milliseconds(100))
        it.open()
        it.cut()
        #expect(it.pause ?? .zero >= usual)
    }

    @Test func slowIsTheLongestPause() {
        var it = Scenario()
        it.open()
        it.cut()
        it.on(.pace(.slow))
        #expect((it.pause ?? .zero) >= .seconds(30) && (it.pause ?? .zero) <= .seconds(60))
    }

    @Test func neverWaitsUntilNow() {
        var it = failing()
        it.on(.pace(.never))
        #expect(it.session.deadline == nil)
        #expect(it.advance(by: .seconds(86_400)) == [])
        // What somebody else wishes meanwhile does not count.
        it.on(.pace(.soon))
        it.on(.pace(.slow))
        #expect(it.session.deadline == nil)
        let link = it.link
        #expect(it.on(.pace(.now)) == [.dial(link + 1)])
    }

    @Test func neverOutlivesTheConnection() {
        var it = Scenario.online()
        #expect(it.on(.pace(.never)) == [])
        #expect(it.session.phase == .online(1))
        it.publish(.atLeastOnce)
        #expect(it.cut().contains(.offline(.closed)))
        #expect(it.session.deadline == nil)
        #expect(it.on(.ping(1)) == [.resolved(1, .down)])
        #expect(it.on(.pace(.now)) == [.dial(2)])
        it.on(.linkOpened(2))
        let resent = it.receive(.connack(sessionPresent: true, .success))
        #expect(resent.contains(.sendPublish(0, id(0), isDuplicate: true)))
        it.cut()
        #expect(it.pause != nil && it.session.deadline != nil)
    }

    @Test func neverRefusesWhatWaits() {
        var it = Scenario.online()
        it.cut()
        #expect(it.on(.ping(1)) == [])
        #expect(it.on(.pace(.never)) == [.resolved(1, .down)])
    }

    @Test func neverAheadOfTheStart() {
        var it = Scenario()
        it.on(.pace(.never))
        #expect(it.on(.start) == [])
        #expect(it.session.deadline == nil)
        #expect(it.on(.pace(.now)) == [.dial(1)])
    }

    @Test func anAttemptUnderWayGoesOn() {
        var it = Scenario()
        it.on(.start)
        it.on(.pace(.never))
        #expect(it.connect() == [.online(sessionPresent: false)])
    }

    @Test func nothingHappensWithoutAPause() {
        for pace in [Pace.now, .soon, .slow, .never] {
            var it = Scenario.online()
            #expect(it.on(.pace(pace)) == [])
            it.on(.close)
            #expect(it.on(.pace(pace)) == [])
            #expect(it.session.phase == .ended)
        }
    }
}
