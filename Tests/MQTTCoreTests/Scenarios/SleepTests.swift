// What a session does when the machine, and its clock, stood still for a while.
import MQTTCore
import Testing

struct SleepTests {
    private static let second: Int64 = 1_000_000_000

    @Test func aShortSleepAsksTheBroker() {
        var it = Scenario.online { $0.keepAliveSeconds = 60 }
        #expect(it.on(.slept(89 * Self.second)) == [.send(.pingreq)])
        // Another while the answer is awaited: its time counts from the first.
        it.advance(by: .seconds(5))
        #expect(it.on(.slept(10 * Self.second)).onTheWire == [.send(.pingreq)])
        #expect(it.advance(by: .seconds(5)).contains(.offline(.silent(.pingresp))))
    }

    @Test func aSleepBeyondOneAndAHalfKeepAlivesIsTheEndOfTheConnection() {
        var it = Scenario.online { $0.keepAliveSeconds = 60 }
        let effects = it.on(.slept(90 * Self.second))
        #expect(effects.contains(.hangUp(1)))
        #expect(effects.contains(.offline(.silent(.asleep))))
        #expect(it.pause != nil)
    }

    @Test func withoutKeepAliveTheBrokerIsAskedHoweverLongItWas() {
        var it = Scenario.online { $0.keepAliveSeconds = 0 }
        #expect(it.on(.slept(86_400 * Self.second)) == [.send(.pingreq)])
    }

    @Test func aPauseIsOver() {
        var it = Scenario()
        for _ in 0..<8 {
            it.open()
            it.cut()
        }
        let link = it.link
        #expect(it.on(.slept(Self.second)) == [.dial(link + 1)])
        it.cut()
        it.on(.pace(.never))
        #expect(it.on(.slept(Self.second)) == [])
    }

    @Test func otherwiseNothingHappens() {
        var it = Scenario()
        #expect(it.on(.slept(Self.second)) == [])
        it.open()
        #expect(it.on(.slept(Self.second)) == [])
        it.on(.close)
        #expect(it.on(.slept(Self.second)) == [])
    }
}
