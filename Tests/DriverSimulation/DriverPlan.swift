import MQTT
import MQTTCore
import MQTTTesting
import Simulation

/// How a world with the real driver is, chosen from its seed once.
struct DriverPlan {
    var configuration: Configuration
    var broker = BrokerConfiguration()
    var pace = Machine.Pace()

    // The application
    var publishers: Int
    var pause: Int64
    var burst: Int
    var queues: Int
    /// By queue: zero is as fast as possible.
    var consumerPauses: [Int64]
    /// Of a hundred, those after which a consumer leaves.
    var leavesShare: Int
    var elsewherePause: Int64
    var bigShare: Int
    var streamShare: Int
    /// Somebody always asks for what no scope claims, so that nothing is ever dropped.
    var isAttended: Bool

    /// There is a second client.
    var hasNeighbour = false

    // The disk
    /// Nil: the session is in memory.
    var store: StoreKind?
    /// Of the thread that writes the store.
    var slowness: Int64 = 0

    // The network
    var readBuffer: Int
    var delay: Int64
    var capacity: Int
    var faultPause: Int64

    init(_ settings: WorldSettings) {
        var dice = Dice(seed: settings.seed &* 0x9E37_79B9_7F4A_7C15 &+ 0xD41E)
        let faults = settings.faults
        configuration = Configuration(broker: .tcp(host: "broker"), session: .volatile(id: DriverWorld.clientID))
        publishers = dice.within(1...4)
        pause = dice.pick([50 * microsecond, millisecond, 5 * millisecond])
        burst = dice.pick([1, 1, 4, 12])
        queues = dice.within(1...3)
        let slow = faults.contains(.slowConsumers)
        let pause = pause
        consumerPauses = (0..<queues).map { _ in slow ? dice.pick([0, 0, pause, pause * 20, pause * 200]) : 0 }
        leavesShare = faults.contains(.cancels) ? dice.pick([0, 0, 3, 15]) : 0
        elsewherePause = pause * Int64(dice.pick([1, 2, 10]))
        bigShare = faults.contains(.bigPayloads) ? dice.pick([0, 0, 5, 20]) : 0
        streamShare = faults.contains(.bigPayloads) ? dice.pick([0, 0, 0, 2]) : 0
        isAttended = dice.chance(4, in: 5)
        readBuffer = dice.pick([64, 512, 2_048, 65_536])
        delay = dice.pick([20 * microsecond, 500 * microsecond, 5 * millisecond])
        capacity = dice.pick([300, 4_096, 65_536])
        if streamShare > 0 {
            readBuffer = 65_536
            capacity = 262_144
        }
        faultPause = pause * Int64(dice.pick([3, 10, 30, 100]))
        pace.weights = (0..<3).map { _ in dice.pick([1, 1, 2, 8, 30]) }
        pace.eagerness = dice.pick([0, 0, 5, 30, 70])
        pace.sleepiness = dice.pick([0, 0, 1, 10, 60])
        pace.loopSleepiness = dice.pick([0, 0, 1, 10])
        configure(&dice, faults)
        broker.unsentLimit = dice.pick([1_000, 20_000])
        broker.inFlightLimit = dice.pick([2, 10, 100])
        broker.connectTimeout = .seconds(5)
        broker.payloadsAreUnique = true
        broker.sessionsAreVolatile = true
        hasNeighbour = dice.chance(1, in: 2)
        guard dice.chance(1, in: 2) else { return }
        store = dice.pick([.journal(segmentLimit: dice.pick([600, 4_000, 1 << 20])), .journal(segmentLimit: 4_000), .directory])
        broker.sessionsAreVolatile = false
        slowness = faults.contains(.slowStore) ? dice.pick([0, 100 * microsecond, 5 * millisecond]) : 0
        configuration.limits.memoryBytes = dice.pick([0, 200, 16 << 20, .max])
    }

    /// Publishes may end without having been sent, and without anybody asking for it.
    var mayEvict: Bool {
        switch configuration.whenQueueIsFull {
        case .dropOldest, .keepNewestPerTopic: true
        default: configuration.limits.queuedAge != nil
        }
    }

    private mutating func configure(_ dice: inout Dice, _ faults: Faults) {
        configuration.session = .volatile(id: DriverWorld.clientID, clean: dice.chance(1, in: 10))
        configuration.keepAlive = .seconds(dice.pick([0, 1, 2, 60]))
        configuration.pauseTimeout = .milliseconds(dice.pick([400, 1_000, 10_000]))
        configuration.connectTimeout = .milliseconds(dice.pick([500, 2_000]))
        configuration.reconnect.minimum = .milliseconds(dice.pick([1, 20, 100]))
        configuration.reconnect.maximum = configuration.reconnect.minimum * dice.pick([1, 4, 30])
        configuration.reconnect.stableTime = .milliseconds(dice.pick([0, 100, 5_000]))
        configuration.requestsWait = dice.chance(2, in: 3)
        configuration.drainTimeout = .milliseconds(dice.pick([0, 50, 5_000]))
        configuration.whenQueueIsFull = dice.pick([.refuse, .wait, .wait, .dropOldest, .keepNewestPerTopic])
        configuration.limits.inFlight = dice.pick([1, 2, 10, 100])
        configuration.limits.exactlyOnceInFlight = dice.pick([1, 3, 19])
        configuration.limits.atLeastOnce = dice.pick([2, 20, 10_000])
        configuration.limits.exactlyOnce = dice.pick([2, 20, 10_000])
        configuration.limits.requests = dice.pick([4, 1_000])
        configuration.limits.outboundBytes = dice.pick([100, 2_000, 1 << 20])
        configuration.limits.receivedMessages = dice.pick([1, 4, 30, 10_000])
        configuration.limits.receivedBytes = dice.pick([100, 3_000, 4 << 20])
        if faults.contains(.bounds), dice.chance(1, in: 4) { configuration.limits.queuedAge = .milliseconds(dice.pick([50, 2_000])) }
        // Nobody else asks in between for longer than that.
        configuration.unclaimed.grace = isAttended ? .seconds(100_000) : .milliseconds(dice.pick([1, 50, 1_000]))
        configuration.unclaimed.action = isAttended || dice.chance(3, in: 4) ? .acknowledge : .endConnection
        if dice.chance(1, in: 6) { configuration.fallbacks = [.tcp(host: "fallback")] }
    }
}
