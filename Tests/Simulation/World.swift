import DiskSimulation
import MQTTCore
import MQTTTesting

/// A client, a broker, a network between them, an application and other clients, on virtual time: everything that happens
/// is a function of the seed.
///
/// The client is the real session and the real codec; the world plays the driver around them. The broker is the
/// independent model of MQTTTesting. The world also watches both, and stops at the first thing that must not happen.
package struct World: ~Copyable {
    static let clientID = "client"

    let settings: WorldSettings
    let plan: Plan
    var now: Int64 = 0
    var dice: Dice
    var scheduler = Scheduler()
    var trace: Trace
    var marks = Marks()
    var failure: Failure?

    var shell: Shell
    var storage: Storage
    /// Counts the processes of the client.
    var process = 0
    var effectCount = 0
    /// Changing operations on the disk, and effects, until everything had come to its end.
    var settledWrites = 0
    var settledEffects = 0
    var plannedCrash: CrashPoint?
    var wallClockOffset: Int64 = 1_700_000_000_000
    var wallClockIsSteady = true
    var connections: [Connection] = []
    var broker: BrokerModel
    var brokerTickAt: Int64?
    /// Counts the sessions that the broker has had for the client.
    var epoch = 0

    var application: Application
    var outbound: OutboundLedger
    var inbound: InboundLedger
    var volatile = VolatileLedger()
    var requests = RequestLedger()

    /// Events that the session was given.
    var steps = 0
    var stepsThisInstant = 0
    var isCalm = false

    package init(_ settings: WorldSettings) {
        self.settings = settings
        plan = Plan(settings)
        dice = Dice(seed: settings.seed)
        trace = Trace(isTracing: settings.isTracing)
        shell = Shell(plan, settings)
        storage = Storage(plan.storage)
        broker = BrokerModel(configuration: plan.broker)
        application = Application(plan)
        outbound = OutboundLedger(firstSerial: plan.firstSerial)
        inbound = InboundLedger(
            queues: plan.queues, isDurable: plan.configuration.isDurable,
            brokerRepeats: settings.faults.contains(.duplicates))
    }

    // MARK: Time

    /// In milliseconds since 1970.
    var wallClock: Int64 { wallClockOffset + now / millisecond }

    mutating func after(_ delay: Int64, _ action: Action) { scheduler.schedule(action, at: now + delay) }

    /// Lets the next thing happen; false when nothing is left to happen before `limit`.
    mutating func advance(before limit: Int64 = .max) -> Bool {
        guard let time = scheduler.nextTime, time < limit, let (_, action) = scheduler.next() else { return false }
        if time > now {
            now = time
            stepsThisInstant = 0
        }
        perform(action)
        return true
    }

    private mutating func perform(_ action: Action) {
        switch action {
        case .application: act()
        case .consume(let queue): consume(queue)
        case .publishFromElsewhere: publishFromElsewhere()
        case .fault: fault()
        case .timer: timerFired()
        case .commit(let process): commit(of: process)
        case .flushStore(let process): flushStore(of: process)
        case .load(let process): loaded(in: process)
        case .restart(let process): restart(process)
        case .healDisk(let process): if process == self.process { storage.disk.set(diskFaults()) }
        case .dialAnswered(let link, let isOpen): dialAnswered(link, isOpen: isOpen)
        case .dialTimedOut(let link): dialTimedOut(link)
        case .flush(let link): flush(link)
        case .arriveAtBroker(let link): arriveAtBroker(link)
        case .arriveAtClient(let link): arriveAtClient(link)
        case .closeAtBroker(let link): closeAtBroker(link)
        case .closeAtClient(let link): closeAtClient(link)
        case .reportClosed(let link): step(.linkClosed(link))
        case .resumeToBroker(let link): resume(link, \.toBroker, .arriveAtBroker(link))
        case .resumeToClient(let link): resume(link, \.toClient, .arriveAtClient(link))
        case .brokerTick: tickBroker()
        case .cancel(let ticket): if requests.isOpen(ticket) { step(.cancel(ticket)) }
        }
    }

    // MARK: The session

    /// Gives the session an event, and carries out what it wants.
    mutating func step(_ event: Event) {
        guard failure == nil, !shell.isDown, let event = shell.local(event) else { return }
        steps += 1
        stepsThisInstant += 1
        trace.note(now, .event, event.fingerprint, text: "\(event)")
        shell.effects.removeAll()
        shell.session.step(event, at: Instant(nanoseconds: now), into: &shell.effects)
        let process = process
        for effect in shell.effects.list where failure == nil && process == self.process {
            carryOut(shell.global(effect))
            carriedOut()
        }
        guard process == self.process else { return }
        if shell.isLossDue {
            shell.isLossDue = false
            check(outbound.unreportedLoss(on: shell.link))
        }
        if stepsThisInstant > 50_000 { fail(.noBusyLoop, "50,000 events in one instant") }
        armTimer()
        if !shell.followUps.isEmpty { followUp() }
    }

    private mutating func followUp() {
        var events: [Event] = []
        swap(&events, &shell.followUps)
        let process = process
        for event in events where process == self.process { step(event) }
    }

    /// There is one timer. One that is late is not moved, but looks again.
    private mutating func armTimer() {
        guard let deadline = shell.session.deadline else { return }
        if let at = shell.timerAt, at <= deadline.nanoseconds { return }
        let at = max(now, deadline.nanoseconds)
        shell.timerAt = at
        scheduler.schedule(.timer, at: at)
    }

    private mutating func timerFired() {
        guard shell.timerAt == now, !shell.isDown else { return }  // one that was overtaken
        shell.timerAt = nil
        guard let deadline = shell.session.deadline, settings.canary != .stopsClock else { return }
        guard deadline.nanoseconds <= now else { return armTimer() }
        if plan.timerLateness > 0, !shell.isTimerLate {
            shell.isTimerLate = true
            let at = now + dice.below(plan.timerLateness)
            shell.timerAt = at
            return scheduler.schedule(.timer, at: at)
        }
        shell.isTimerLate = false
        shell.isTicking = true
        let process = process
        step(.tick)
        guard process == self.process else { return }
        shell.isTicking = false
        if let next = shell.session.deadline, next.nanoseconds <= now, failure == nil {
            fail(.noBusyLoop, "after a tick the deadline is still \(now - next.nanoseconds) ns in the past")
        }
    }

    // MARK: Failing

    mutating func fail(_ invariant: Invariant, _ detail: String) {
        guard failure == nil else { return }
        failure = Failure(invariant: invariant, detail: detail, time: now, step: steps)
        trace.note(now, .violation, text: "VIOLATION \(invariant.rawValue): \(detail)")
    }

    mutating func check(_ finding: (Invariant, String)?) {
        if let finding { fail(finding.0, finding.1) }
    }
}
