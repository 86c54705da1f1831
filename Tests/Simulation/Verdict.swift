/// What must hold in every world. The names are those that a failure prints.
package enum Invariant: String, Sendable, CaseIterable {
    case ticketResolvedOnce
    case nothingSentOffline
    case identifierFree
    case storedBeforeSent
    case storedSurvives
    case handedOverBeforeAcknowledged
    case acknowledgedInOrder
    case deliveredInOrder
    case exactlyOnce
    case atLeastOnce
    case atMostOnce
    case oneOutcome
    case inFlightLimit
    case duplicateFlag
    case resendOrder
    case pubrelOrder
    case noBusyLoop
    case keepAlive
    case liveness
    case payloadIntact
    case acknowledgementHonoured
    case phases
    case brokerViolation
    case decodes
    case withdrawnNeverArrives
    /// Of worlds with the real driver: timers, jobs, channels, tasks and objects.
    case nothingLeftBehind
}

package struct Failure: Sendable, Equatable {
    package var invariant: Invariant
    package var detail: String
    package var time: Int64
    package var step: Int

    package init(invariant: Invariant, detail: String, time: Int64, step: Int) {
        self.invariant = invariant
        self.detail = detail
        self.time = time
        self.step = step
    }
}

/// How a world went.
package struct Verdict: Sendable {
    package var failure: Failure?
    /// Events that the session was given.
    package var events: Int
    /// Changing operations on the disk until everything had come to its end, and effects.
    package var writes: Int
    package var effects: Int
    /// The same for the same seed, whatever the machine.
    package var traceHash: UInt64
    package var marks: Marks
    package var lines: [String]

    package init(
        failure: Failure?, events: Int, writes: Int = 0, effects: Int = 0, traceHash: UInt64, marks: Marks, lines: [String]
    ) {
        self.failure = failure
        self.events = events
        self.writes = writes
        self.effects = effects
        self.traceHash = traceHash
        self.marks = marks
        self.lines = lines
    }
}

package struct WorldSettings: Sendable, Hashable {
    package var seed: UInt64
    /// Events until the faults stop.
    package var events: Int
    package var faults = Faults.all
    package var canary: Canary?
    /// The client's process ends then, beside what faults do.
    package var crash: CrashPoint?
    /// Only worlds with a store.
    package var isDurable = false
    package var isTracing = false

    package init(seed: UInt64, events: Int) {
        self.seed = seed
        self.events = events
    }
}
