package import MQTTPersistence

/// What a client has of the machine besides its event loop: chance, the wall clock, the thread that writes stores. The simulator of the
/// driver brings its own, so that everything that happens follows from a seed.
package struct Surroundings: Sendable {
    package var random: @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }
    /// In milliseconds since 1970.
    package var wallClock: @Sendable () -> Int64 = wallClockMilliseconds
    package var storeWriter = StoreWriter.shared

    package init() {}
}
