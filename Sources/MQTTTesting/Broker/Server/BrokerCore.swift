internal import NIOCore

/// The broker model and its connections, all on one event loop.
final class BrokerCore {
    let eventLoop: any EventLoop
    private(set) var model: BrokerModel
    var faultPlan: FaultPlan
    private let pausesPublishers: Bool
    private var links: [Int: BrokerLink] = [:]
    private var lastNumber = 0
    private var timer: Scheduled<Void>?
    private var timerDeadline = Int64.max
    private var isSettling = false
    let record: PublishRecord

    // Publishers wait while a subscriber is congested.
    private var pausedPublishers: [Int] = []
    private var toleratesCongestion = false
    /// Counts congestions, and what congested subscribers took.
    private var congestion: UInt64 = 0
    private var headway: UInt64 = 0

    init(_ configuration: TestBroker.Configuration, eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        var settings = configuration.broker
        settings.unsentLimit = 1 << 20
        settings.reportsPublishes = configuration.recordLimit > 0
        model = BrokerModel(configuration: settings)
        faultPlan = configuration.faults
        pausesPublishers = configuration.pausesPublishers
        record = PublishRecord(limit: configuration.recordLimit)
    }

    private var now: Int64 { Int64(NIODeadline.now().uptimeNanoseconds) }

    /// The number and the faults of the next connection.
    func admit() -> (Int, LinkFaults) {
        lastNumber += 1
        return (lastNumber, faultPlan.faults(of: lastNumber))
    }

    func opened(_ link: BrokerLink) {
        links[link.number] = link
        model.connectionOpened(link.id, faults: link.packetFaults, at: now)
        settle()
    }

    func closed(_ link: BrokerLink) {
        links[link.number] = nil
        model.connectionClosed(link.id, at: now)
        settle()
    }

    func received(_ bytes: [UInt8], from link: BrokerLink) {
        model.received(bytes, from: link.id, at: now)
        if pausesPublishers, model.isCongested, !toleratesCongestion, model.mayPause(link.id) {
            if pausedPublishers.isEmpty { watchCongestion() }
            pausedPublishers.append(link.number)
            link.pause(.congestion)
        }
    }

    func reading(_ isReading: Bool, from link: BrokerLink) { model.reading(isReading, from: link.id, at: now) }

    func written(_ count: Int, to link: BrokerLink) {
        if model.isCongested(link.id) { headway += 1 }
        model.written(count, to: link.id, at: now)
        settle()
    }

    /// Changes the model from outside.
    func operate<Result>(_ body: (inout BrokerModel, Int64) -> Result) -> Result {
        defer { settle() }
        return body(&model, now)
    }

    /// Breaks all connections without a word.
    func cutAll() {
        for number in links.keys.sorted() { links[number]?.cut() }
    }

    /// Acts on what the model wants done, and wakes who waits for it.
    func settle() {
        guard !isSettling else { return }
        isSettling = true
        while true {
            let outputs = model.takeOutputs()
            if outputs.isEmpty { break }
            for output in outputs {
                switch output {
                case .send(let id, let bytes): links[id.number]?.send(bytes)
                case .close(let id): links[id.number]?.closeWhenWritten()
                case .published(let publish): record.append(publish)
                }
            }
        }
        isSettling = false
        if !model.isCongested { endCongestion() }
        schedule()
        if record.hasWaiters { record.wake(snapshot) }
    }

    var snapshot: TestBroker.Snapshot {
        TestBroker.Snapshot(
            connectedClients: model.connectedClients, received: record.kept, receivedCount: record.count, violations: model.violations,
            suspicions: model.suspicions, droppedCount: model.losses.droppedAtMostOnce + model.losses.droppedByQueueLimit,
            connectionCount: lastNumber)
    }
}

// MARK: - Time and congestion

extension BrokerCore {
    /// One timer for the whole broker. One that fires early finds nothing to do and sets the next.
    private func schedule() {
        let deadline = model.wakeUp
        guard deadline < timerDeadline else { return }
        timer?.cancel()
        timerDeadline = deadline
        let at = NIODeadline.uptimeNanoseconds(UInt64(max(deadline, 0)))
        timer = eventLoop.assumeIsolated().scheduleTask(deadline: at) {
            self.timer = nil
            self.timerDeadline = .max
            self.model.tick(at: self.now)
            self.settle()
        }
    }

    func stopTimer() { timer?.cancel() }

    /// Subscribers that make no headway within a second hold nobody up any longer: their messages meet the queue limits.
    private func watchCongestion() {
        let (watched, before) = (congestion, headway)
        eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) {
            guard self.congestion == watched, !self.pausedPublishers.isEmpty else { return }
            guard self.headway == before else { return self.watchCongestion() }
            self.toleratesCongestion = true
            self.resumePublishers()
        }
    }

    private func endCongestion() {
        congestion += 1
        toleratesCongestion = false
        if !pausedPublishers.isEmpty { resumePublishers() }
    }

    private func resumePublishers() {
        let numbers = pausedPublishers
        pausedPublishers = []
        for number in numbers { links[number]?.resume(.congestion) }
    }
}

extension BrokerLink {
    var id: BrokerModel.ConnectionID { BrokerModel.ConnectionID(number) }
}
