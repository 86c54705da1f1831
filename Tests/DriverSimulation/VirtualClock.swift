import Simulation

/// The clocks of a world, which come apart when its machine sleeps.
struct VirtualClock: Clock {
    struct Instant: InstantProtocol {
        var nanoseconds: Int64

        func advanced(by duration: Duration) -> Instant {
            let (seconds, attoseconds) = duration.components
            return Instant(nanoseconds: nanoseconds + seconds * second + attoseconds / second)
        }

        func duration(to other: Instant) -> Duration { .nanoseconds(other.nanoseconds - nanoseconds) }
        static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
    }

    let world: DriverWorld
    /// Goes on while the machine sleeps.
    let isContinuous: Bool

    var now: Instant { Instant(nanoseconds: world.machine.now + (isContinuous ? world.slept : 0)) }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        await world.pause(deadline.nanoseconds - now.nanoseconds)
    }
}
