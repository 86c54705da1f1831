import MQTTTesting
import MQTTTransport
import NIOCore
import Simulation

/// Makes connections to the broker of a world: after a while, or not, or never.
final class SimulatedDialer: Dialer {
    private let world: DriverWorld
    private let isNeighbours: Bool

    init(_ world: DriverWorld, isNeighbours: Bool = false) {
        self.world = world
        self.isNeighbours = isNeighbours
    }

    func dial(
        on eventLoop: any EventLoop, timeout: TimeAmount, initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        world.machine.interrupt()
        return world.dial(timeout: timeout, isNeighbours: isNeighbours, initializer)
    }
}

extension DriverWorld {
    private enum Fate { case opened, refused, unanswered, forgotten }

    func dial(
        timeout: TimeAmount, isNeighbours: Bool, _ initializer: (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        let loop: SimulatedEventLoop = machine.loop
        loop.preconditionInEventLoop(file: #file, line: #line)
        let wire = Wire(wires.count + 1, self, isNeighbours: isNeighbours)
        wires.append(wire)
        machine.trace.note(machine.now, .network, UInt64(wire.number), text: "dial \(wire.number)")
        let promise = loop.makePromise(of: (any Channel).self)
        guard let channel = wire.channel else { return loop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
        channel.register0(promise: nil)
        channel.connect(promise)
        initializer(channel).whenFailure { channel.connectFailed($0) }
        let fate = fate(isNeighbours)
        let (delay, late) = (1 + machine.dice.below(plan.delay * 3), timeout.nanoseconds)
        switch fate {
        case .opened: machine.after(delay) { [self] in open(wire) }
        case .refused:
            machine.marks.hit(.dialRefused)
            machine.after(delay) { [self] in refuse(channel) }
        case .unanswered:
            machine.marks.hit(.dialTimedOut)
            machine.after(late) { loop.enqueue { channel.connectFailed(ChannelError.connectTimeout(timeout)) } }
        case .forgotten: break
        }
        return promise.futureResult
    }

    private func fate(_ isNeighbours: Bool) -> Fate {
        // Nothing leaves a process that is gone.
        if isDown, !isNeighbours { return .refused }
        guard settings.faults.contains(.dials), !isCalm else { return .opened }
        if machine.dice.chance(1, in: 12) { return machine.dice.chance(1, in: 3) ? .forgotten : .unanswered }
        return machine.dice.chance(1, in: 8) ? .refused : .opened
    }

    private func refuse(_ channel: SimulatedChannel) {
        machine.loop.enqueue { channel.connectFailed(IOError(errnoCode: 111, reason: "connect")) }
    }

    private func open(_ wire: Wire) {
        guard let channel = wire.channel else { return }
        if isDown, !wire.isNeighbours { return refuse(channel) }
        wire.isOpenAtBroker = true
        broker.connectionOpened(.init(wire.number), faults: brokerFaults(wire), at: machine.now)
        drainBroker()
        machine.loop.enqueue { channel.connected() }
    }
}
