import MQTTCore
import MQTTTesting

/// How a world is: chosen from its seed once, so that worlds differ from each other more than moments of one world do.
struct Plan: Sendable {
    var configuration = SessionConfiguration()
    var broker = BrokerConfiguration()
    var firstSerial: Serial = 0

    // The application
    var applicationPause: Int64
    /// Of 100 publishes, how many have QoS 1 and QoS 2.
    var atLeastOnceShare: Int
    var exactlyOnceShare: Int
    var burst: Int
    var queues: Int
    var queueLimit: Int
    /// By queue. Zero is as fast as possible, and negative is not at all until the faults stop.
    var consumerPauses: [Int64]
    var elsewherePause: Int64
    var subscriptionQoS: QoS
    var bigShare: Int
    var biggest: Int

    // The machine
    var readBuffer: Int
    var timerLateness: Int64
    var commitTime: Int64
    var storage = StoreKind.journal(segmentLimit: 8 << 20)
    /// What does not fit in the queue makes room.
    var evicts = false
    var connectTimeout: Int64

    // The network
    var delay: Int64
    var capacity: Int
    var faultPause: Int64

    init(_ settings: WorldSettings) {
        var dice = Dice(seed: settings.seed &* 0x9E37_79B9_7F4A_7C15 &+ 0xD1CE)
        let faults = settings.faults
        applicationPause = dice.pick([100 * microsecond, millisecond, 5 * millisecond, 20 * millisecond])
        atLeastOnceShare = dice.pick([0, 30, 45, 45, 90])
        exactlyOnceShare = atLeastOnceShare == 90 ? dice.pick([0, 10]) : dice.pick([30, 45, 50])
        burst = dice.pick([1, 1, 3, 20])
        queues = dice.within(1...3)
        queueLimit = dice.pick([1, 4, 16, 64])
        let isSlow = faults.contains(.slowConsumers)
        let pause = applicationPause
        consumerPauses = (0..<queues).map { _ in isSlow ? dice.pick([0, 0, pause, pause * 10, pause * 300, -1]) : 0 }
        elsewherePause = applicationPause * Int64(dice.pick([1, 2, 10, 1_000_000]))
        subscriptionQoS = dice.pick([.atLeastOnce, .exactlyOnce, .exactlyOnce, .exactlyOnce])
        bigShare = faults.contains(.bigPayloads) ? dice.pick([0, 0, 0, 5, 20]) : 0
        biggest = dice.pick([500, 3_000, 12_000])
        readBuffer = dice.pick([64, 256, 2_048])
        timerLateness = dice.pick([0, millisecond, 10 * millisecond])
        commitTime = faults.contains(.slowStore) ? dice.pick([0, 100 * microsecond, 2 * millisecond, 100 * millisecond]) : 0
        connectTimeout = dice.pick([500 * millisecond, 2 * second])
        delay = dice.pick([20 * microsecond, 500 * microsecond, 5 * millisecond, 20 * millisecond])
        capacity = dice.pick([300, 4_096, 65_536])
        faultPause = applicationPause * Int64(dice.pick([2, 5, 15, 60]))
        configure(&dice)
        broker.unsentLimit = dice.pick([1_000, 20_000])
        broker.inFlightLimit = dice.pick([2, 10, 100])
        broker.connectTimeout = .seconds(5)
        broker.payloadsAreUnique = true
        configureStore(&dice, settings)
    }

    private mutating func configureStore(_ dice: inout Dice, _ settings: WorldSettings) {
        if settings.isDurable { configuration.isDurable = true }
        broker.sessionsAreVolatile = !configuration.isDurable
        storage = dice.pick([.journal(segmentLimit: 8 << 20), .journal(segmentLimit: 700), .journal(segmentLimit: 4_000), .directory])
        configuration.limits.memoryBytes = dice.pick([0, 2_000, 16 << 20, .max])
        guard settings.faults.contains(.bounds) else { return }
        evicts = dice.chance(1, in: 3)
        let age = dice.pick([nil, nil, 2 * second, 20 * second])
        configuration.limits.queuedAge = age.map { .nanoseconds($0) }
    }

    private mutating func configure(_ dice: inout Dice) {
        configuration.isDurable = dice.chance(1, in: 2)
        configuration.keepAliveSeconds = dice.pick([0, 1, 2, 5, 60])
        configuration.pauseTimeout = dice.pick([0, 400 * millisecond, second, 10 * second])
        configuration.reconnectMinimum = dice.pick([millisecond, 20 * millisecond, 100 * millisecond])
        configuration.reconnectMaximum = configuration.reconnectMinimum * Int64(dice.pick([1, 4, 100]))
        configuration.stableTime = dice.pick([0, 100 * millisecond, 5 * second])
        configuration.cleanSession = dice.chance(1, in: 10)
        configuration.alwaysCleanSession = dice.chance(1, in: 30)
        configuration.requestsWait = dice.chance(2, in: 3)
        configuration.limits.inFlight = dice.pick([1, 2, 10, 100])
        configuration.limits.exactlyOnceInFlight = dice.pick([1, 3, 20, 100])
        configuration.limits.atLeastOnce = dice.pick([5, 50, 10_000])
        configuration.limits.exactlyOnce = dice.pick([5, 50, 10_000])
        configuration.limits.requests = dice.pick([3, 1_000])
        configuration.limits.queuedBytes = dice.pick([2_000, 64 << 20])
        // Some worlds begin shortly before the identifiers go round.
        let round = UInt64(PublishID.count) * UInt64(dice.within(1...5))
        firstSerial = dice.chance(1, in: 3) ? round - UInt64(dice.below(100)) : UInt64(dice.below(3)) * UInt64(dice.below(1 << 40))
    }
}
