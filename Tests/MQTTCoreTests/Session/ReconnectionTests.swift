// The pauses between attempts: bounds, growth and jitter, as the session takes them.
import MQTTCore
import Testing

struct ReconnectionTests {
    /// The pauses after so many failed attempts in a row.
    private func pauses(_ count: Int, seed: UInt64, minimum: Int64, maximum: Int64) -> [Int64] {
        var it = Scenario(seed: seed) {
            $0.reconnectMinimum = minimum
            $0.reconnectMaximum = maximum
        }
        return (0..<count).map { _ in
            it.open()
            it.cut()
            return it.pause?.nanoseconds ?? -1
        }
    }

    @Test func eachPauseIsInTheUpperHalfOfABoundThatDoubles() {
        for seed in 0..<500 as Range<UInt64> {
            var bound: Int64 = 100
            for pause in pauses(14, seed: seed, minimum: 100, maximum: 60_000) {
                #expect(max(100, bound - bound / 2)...bound ~= pause)
                bound = min(60_000, bound * 2)
            }
        }
    }

    @Test func pausesAreSpreadOverTheUpperHalf() {
        // The eighth pause has the bound 12,800: its upper half in tenths, over many seeds.
        var tenths = [Int](repeating: 0, count: 10)
        for seed in 0..<5_000 as Range<UInt64> {
            let pause = pauses(8, seed: seed, minimum: 100, maximum: 1_000_000)[7]
            tenths[min(9, Int(pause - 6_400) / 640)] += 1
        }
        #expect(tenths.allSatisfy { 400...600 ~= $0 }, "\(tenths)")
    }

    @Test func theSameSeedGivesTheSamePauses() {
        let first = pauses(10, seed: 42, minimum: 1_000, maximum: 1_000_000)
        #expect(first == pauses(10, seed: 42, minimum: 1_000, maximum: 1_000_000))
        #expect(first != pauses(10, seed: 43, minimum: 1_000, maximum: 1_000_000))
    }

    @Test(arguments: [(0, 0), (0, 1), (1, 1), (5, 3), (7, 10), (1, .max / 100), (.max / 100, .max / 100)] as [(Int64, Int64)])
    func anyBoundsAreKept(minimum: Int64, maximum: Int64) {
        for pause in pauses(80, seed: 1, minimum: minimum, maximum: maximum) { #expect(minimum...max(minimum, maximum) ~= pause) }
    }

    @Test func theBackOffGoesOnUntilAConnectionWasStable() throws {
        var it = Scenario {
            $0.reconnectMinimum = 100_000_000
            $0.stableTime = 5_000_000_000
        }
        for _ in 0..<8 {
            it.open()
            it.cut()
        }
        it.connect()
        it.advance(by: .milliseconds(4_999))
        it.cut()
        #expect(try #require(it.pause) >= .milliseconds(12_800))
        it.connect()
        it.advance(by: .milliseconds(5_000))
        it.cut()
        #expect(it.pause == .milliseconds(100))
    }

    @Test func aLossAfterAStableConnectionBeginsWithTheMinimumAndGrowsFromThere() throws {
        var it = Scenario.online { $0.reconnectMinimum = 1_000 }
        it.advance(by: .seconds(10))
        it.cut()
        #expect(it.pause == .nanoseconds(1_000))
        it.open()
        it.cut()
        #expect(.nanoseconds(1_000)...(.nanoseconds(2_000)) ~= (try #require(it.pause)))
        it.open()
        it.cut()
        #expect(.nanoseconds(2_000)...(.nanoseconds(4_000)) ~= (try #require(it.pause)))
    }
}
