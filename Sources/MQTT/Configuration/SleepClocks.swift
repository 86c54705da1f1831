/// Two clocks that come apart when the machine sleeps. The client looks at them once a second, so that it does not wait for a timer, which
/// slept too, to find out that a connection is gone.
public struct SleepClocks: Sendable {
    private let elapsedAwake: @Sendable () -> Duration
    private let elapsed: @Sendable () -> Duration

    /// - Parameters:
    ///   - suspending: Stands still while the machine sleeps.
    ///   - continuous: Goes on.
    public init<Suspending: Clock, Continuous: Clock>(suspending: Suspending, continuous: Continuous)
    where Suspending.Duration == Duration, Continuous.Duration == Duration {
        let (awakeSince, since) = (suspending.now, continuous.now)
        elapsedAwake = { awakeSince.duration(to: suspending.now) }
        elapsed = { since.duration(to: continuous.now) }
    }

    /// Those of the operating system.
    public static let system = SleepClocks(suspending: SuspendingClock(), continuous: ContinuousClock())

    /// How long the machine slept since these clocks were made.
    var apart: Duration { elapsed() - elapsedAwake() }
}
