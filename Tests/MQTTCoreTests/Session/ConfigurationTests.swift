// Limits that cannot be honoured are refused, and times that overflow saturate.
import MQTTCore
import Testing

struct ConfigurationTests {
    @Test func theDefaultsAreValid() throws {
        try Limits().check()
    }

    static let refused: [(String, @Sendable (inout Limits) -> Void)] = [
        ("atLeastOnce", { $0.atLeastOnce = -1 }), ("exactlyOnce", { $0.exactlyOnce = -1 }), ("queuedBytes", { $0.queuedBytes = -1 }),
        ("inFlight 0", { $0.inFlight = 0 }), ("inFlight", { $0.inFlight = 49_153 }),
        ("exactlyOnceInFlight 0", { $0.exactlyOnceInFlight = 0 }), ("exactlyOnceInFlight", { $0.exactlyOnceInFlight = 49_153 }),
        ("requests 0", { $0.requests = 0 }),
        ("requests", { $0.requests = 16_384 }), ("outboundBytes", { $0.outboundBytes = 0 }),
        ("receivedMessages", { $0.receivedMessages = 0 }),
        ("receivedBytes", { $0.receivedBytes = 0 }), ("maximumPacketSize", { $0.maximumPacketSize = 3 }),
    ]

    @Test(arguments: refused) func limitsThatAreRefused(name: String, change: @Sendable (inout Limits) -> Void) {
        var limits = Limits()
        change(&limits)
        let error = #expect(throws: MQTTError.self, "\(name)") { try limits.check() }
        #expect(error?.code == .invalidArgument)
    }

    @Test func theEdgesAreAllowed() throws {
        var limits = Limits()
        (limits.atLeastOnce, limits.exactlyOnce, limits.queuedBytes) = (0, 0, 0)
        (limits.inFlight, limits.requests, limits.outboundBytes) = (1, 1, 1)
        (limits.receivedMessages, limits.receivedBytes, limits.maximumPacketSize) = (1, 1, 4)
        try limits.check()
        (limits.inFlight, limits.requests) = (49_152, 16_383)
        (limits.atLeastOnce, limits.exactlyOnce, limits.queuedBytes) = (.max, .max, .max)
        try limits.check()
    }

    @Test func durationsBecomeNanosecondsAndSaturate() {
        #expect(Duration.seconds(1).nanoseconds == 1_000_000_000)
        #expect(Duration.zero.nanoseconds == 0)
        #expect(Duration.nanoseconds(-3).nanoseconds == -3)
        #expect(Duration(secondsComponent: 1, attosecondsComponent: 999_999_999_999_999_999).nanoseconds == 1_999_999_999)
        #expect(Duration(secondsComponent: .max, attosecondsComponent: 0).nanoseconds == .max)
        #expect(Duration(secondsComponent: .min, attosecondsComponent: 0).nanoseconds == .min)
        #expect(Duration(secondsComponent: 9_223_372_036, attosecondsComponent: 854_775_807_000_000_000).nanoseconds == .max)
        #expect(Duration(secondsComponent: 9_223_372_036, attosecondsComponent: 854_775_808_000_000_000).nanoseconds == .max)
    }

    @Test func instantsSaturate() {
        #expect(Instant(nanoseconds: 5) + .max == Instant(nanoseconds: .max))
        #expect(Instant(nanoseconds: .max) + 0 == Instant(nanoseconds: .max))
        #expect(Instant(nanoseconds: 7) - Instant(nanoseconds: 9) == -2)
        #expect(Instant(nanoseconds: 7) < Instant(nanoseconds: 9))
    }

    @Test func generatorsOfOneSeedAgree() {
        var left = SeededGenerator(seed: 9)
        var right = SeededGenerator(seed: 9)
        var other = SeededGenerator(seed: 10)
        #expect((0..<100).allSatisfy { _ in left.next() == right.next() })
        #expect(left.next() != other.next())
        // SplitMix64 with seed 0: the first number of its published sequence.
        var zero = SeededGenerator(seed: 0)
        #expect(zero.next() == 0xE220_A839_7B1D_CDAF)
    }
}
