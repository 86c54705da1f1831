import MQTTTesting
import NIOCore
import Simulation

/// A connection between the client and the broker: two pipes, what the kernels at both ends know, and the packets that pass.
final class Wire {
    let number: Int
    /// Of the second client.
    let isNeighbours: Bool
    private unowned let world: DriverWorld
    private var machine: Machine { world.machine }
    private(set) var channel: SimulatedChannel?
    var toBroker = Pipe()
    var toClient = Pipe()
    var isOpenAtClient = true
    /// The broker knows of it, and has not seen its end.
    var isOpenAtBroker = false
    /// The client's kernel knows that it was reset.
    private(set) var isKnownReset = false
    private var isEndReported = false
    /// The broker's session that its CONNACK told the beginning of.
    var begunEpoch: Int?
    /// CONNECT asked for an empty session.
    var isClean = false
    /// The broker keeps something back on it that it will never send.
    var isSwallowing = false
    var watch = WireWatch()

    init(_ number: Int, _ world: DriverWorld, isNeighbours: Bool) {
        self.number = number
        self.isNeighbours = isNeighbours
        self.world = world
        channel = SimulatedChannel(self, world.machine.loop)
    }

    // MARK: What the client's kernel does

    var readsAtOnce: Int { machine.dice.within(1...3) }

    func portionToRead(of count: Int) -> Int {
        let most = min(count, world.plan.readBuffer)
        guard world.settings.faults.contains(.splits), most > 1, machine.dice.chance(1, in: 4) else { return most }
        return 1 + machine.dice.below(most - 1)
    }

    func portionToWrite(of count: Int) -> Int {
        let most = min(count, max(0, world.plan.capacity - toBroker.count))
        guard world.settings.faults.contains(.splits), most > 1, machine.dice.chance(1, in: 4) else { return most }
        return 1 + machine.dice.below(most - 1)
    }

    func send(_ bytes: [UInt8]) {
        toBroker.append(bytes)
        moveToBroker()
    }

    /// FIN goes out behind everything that was sent.
    func endOutput() {
        toBroker.isEnding = true
        moveToBroker()
    }

    func closed(hasUnread: Bool) {
        isOpenAtClient = false
        channel = nil
        machine.trace.note(machine.now, .network, UInt64(number), text: "the client closes \(number)")
        // What arrives at a closed socket is answered by a reset, which may overtake what was sent.
        if hasUnread || toClient.count > 0, machine.dice.chance(1, in: 2) {
            toBroker.truncate(to: machine.dice.below(toBroker.count + 1))
        }
        endOutput()
    }

    func madeRoom() { moveToClient() }
    func interrupt() { machine.interrupt() }

    // MARK: On the way

    private func portion(_ count: Int) -> Int {
        guard world.settings.faults.contains(.splits), count > 1, machine.dice.chance(1, in: 3) else { return count }
        return 1 + machine.dice.below(count - 1)
    }

    func moveToBroker() {
        guard !toBroker.isMoving, !toBroker.isStalled else { return }
        toBroker.isMoving = true
        machine.after(1 + machine.dice.below(world.plan.delay)) { [self] in arriveAtBroker() }
    }

    func moveToClient() {
        guard !toClient.isMoving, !toClient.isStalled else { return }
        toClient.isMoving = true
        machine.after(1 + machine.dice.below(world.plan.delay)) { [self] in arriveAtClient() }
    }

    private func arriveAtBroker() {
        toBroker.isMoving = false
        guard !toBroker.isStalled else { return }
        let bytes = toBroker.take(portion(toBroker.count))
        if !bytes.isEmpty, !toBroker.isBroken, isOpenAtBroker {
            machine.trace.note(machine.now, .brokerReceives, UInt64(bytes.count), text: "the broker gets \(bytes.count) bytes of \(number)")
            world.brokerReceives(bytes, self)
        }
        if toBroker.count > 0 {
            moveToBroker()
        } else if toBroker.isEnding, !toBroker.isBroken {
            machine.after(machine.dice.below(world.plan.delay)) { [self] in world.endAtBroker(self) }
        }
        // The kernel has room again.
        if let channel, channel.wantsToWrite { machine.loop.enqueue { channel.pump() } }
    }

    private func arriveAtClient() {
        toClient.isMoving = false
        guard !toClient.isStalled else { return }
        guard let channel else {
            // Nobody is there any more.
            if toClient.count > 0 { world.brokerHasWritten(toClient.take(toClient.count).count, self) }
            return
        }
        guard channel.inboxCount < world.plan.capacity else { return }
        let bytes = toClient.take(portion(toClient.count))
        if !bytes.isEmpty {
            world.brokerHasWritten(bytes.count, self)
            if !toClient.isBroken {
                machine.trace.note(machine.now, .network, UInt64(bytes.count), text: "\(bytes.count) bytes arrive on \(number)")
                channel.receive(bytes)
                machine.loop.enqueue { channel.readable() }
            }
        }
        if toClient.count > 0 {
            moveToClient()
        } else if toClient.isEnding, !toClient.isBroken, !isEndReported {
            isEndReported = true
            machine.after(machine.dice.below(world.plan.delay)) { [self] in endAtClient() }
        }
    }

    private func endAtClient() {
        guard let channel else { return }
        machine.trace.note(machine.now, .network, UInt64(number), text: "the client is told the end of \(number)")
        machine.loop.enqueue { channel.readEnd() }
    }

    // MARK: Faults

    func reset() {
        guard let channel, !isKnownReset else { return }
        isKnownReset = true
        machine.trace.note(machine.now, .network, UInt64(number), text: "\(number) is reset at the client")
        machine.loop.enqueue { channel.wasReset() }
    }

    /// The client's process is gone. What its kernel had taken may still arrive; a mute machine says nothing any more.
    func orphan(isMute: Bool) {
        if isMute {
            toBroker.truncate(to: 0)
            toBroker.isStalled = true
        } else if machine.dice.chance(1, in: 2) {
            toBroker.truncate(to: machine.dice.below(toBroker.count + 1))
        }
        toBroker.isEnding = true
        moveToBroker()
        toClient.truncate(to: 0)
        reset()
    }

    /// Both ends learn of it, each in its time; what was on its way is lost from some byte on.
    func cut() {
        toBroker.truncate(to: machine.dice.below(toBroker.count + 1))
        toClient.truncate(to: machine.dice.below(toClient.count + 1))
        toBroker.isEnding = true
        toClient.isEnding = true
        resume()
        if machine.dice.chance(1, in: 2) { machine.after(machine.dice.below(world.plan.delay * 2)) { [self] in reset() } }
    }

    /// Nothing passes any more, and neither end is told.
    func goSilent() {
        toBroker.isBroken = true
        toBroker.isStalled = true
        toClient.isBroken = true
        toClient.isStalled = true
        toBroker.isEnding = false
        toClient.isEnding = false
    }

    func resume() {
        toBroker.isStalled = false
        toClient.isStalled = false
        toBroker.isBroken = false
        toClient.isBroken = false
        moveToBroker()
        moveToClient()
    }

    func stall(toBroker isOutbound: Bool, for time: Int64) {
        if isOutbound { toBroker.isStalled = true } else { toClient.isStalled = true }
        machine.after(time) { [self] in
            if isOutbound, !toBroker.isBroken {
                toBroker.isStalled = false
                moveToBroker()
            } else if !isOutbound, !toClient.isBroken {
                toClient.isStalled = false
                moveToClient()
            }
        }
    }
}

/// The packets of a connection as they pass: what a checker has to know of them.
struct WireWatch {
    private var fromClient: [UInt8] = []
    private var fromBroker: [UInt8] = []
    /// What the broker sent at QoS 1 and 2, and has no answer to, by the names of the payloads. Each is answered once, in order.
    private var unanswered: [(packetID: UInt16, name: UInt64)] = []
    /// The broker sent what is no packet.
    var isGarbled = false

    enum Seen: Equatable {
        case connect(isClean: Bool)
        /// Anything behind CONNECT.
        case more
        /// PUBACK or PUBREC, for the message of this name.
        case acknowledgement(UInt64)
        /// One that is not for the next message in the order of arrival.
        case disorder(UInt16)
        case disconnect
    }

    mutating func sent(byClient bytes: [UInt8]) -> [Seen] {
        fromClient += bytes
        var seen: [Seen] = []
        while let packet = Self.take(&fromClient) {
            if packet[0] >> 4 != 1 { seen.append(.more) }
            switch packet[0] >> 4 {
            case 1:
                let start = Self.bodyStart(packet)
                seen.append(.connect(isClean: packet[start + 7] & 2 != 0))
            case 4, 5:
                let packetID = UInt16(packet[2]) << 8 | UInt16(packet[3])
                guard !isGarbled else { continue }
                guard let first = unanswered.first, first.packetID == packetID else {
                    seen.append(.disorder(packetID))
                    continue
                }
                seen.append(.acknowledgement(unanswered.removeFirst().name))
            case 14: seen.append(.disconnect)
            default: break
            }
        }
        return seen
    }

    /// Returns the QoS 2 messages among it.
    mutating func sent(byBroker bytes: [UInt8]) -> [(packetID: UInt16, name: UInt64)] {
        guard !isGarbled else { return [] }
        fromBroker += bytes
        var exactlyOnce: [(packetID: UInt16, name: UInt64)] = []
        while let packet = Self.take(&fromBroker) {
            let qos = packet[0] >> 1 & 3
            guard packet[0] >> 4 == 3, qos > 0 else { continue }
            let start = Self.bodyStart(packet)
            let topicEnd = start + 2 + (Int(packet[start]) << 8 | Int(packet[start + 1]))
            let packetID = UInt16(packet[topicEnd]) << 8 | UInt16(packet[topicEnd + 1])
            guard let name = Payloads.name(of: packet[(topicEnd + 2)...]) else { continue }
            unanswered.append((packetID, name))
            if qos == 2 { exactlyOnce.append((packetID, name)) }
        }
        return exactlyOnce
    }

    private static func bodyStart(_ packet: [UInt8]) -> Int {
        var index = 1
        while packet[index] & 0x80 != 0 { index += 1 }
        return index + 1
    }

    /// The first whole packet.
    private static func take(_ bytes: inout [UInt8]) -> [UInt8]? {
        var (length, shift, index) = (0, 0, 1)
        while true {
            guard index < bytes.count, index < 5 else { return nil }
            length |= Int(bytes[index] & 0x7F) << shift
            shift += 7
            index += 1
            if bytes[index - 1] & 0x80 == 0 { break }
        }
        guard bytes.count >= index + length else { return nil }
        let packet = Array(bytes[..<(index + length)])
        bytes.removeFirst(index + length)
        return packet
    }
}
