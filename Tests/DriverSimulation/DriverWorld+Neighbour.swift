import MQTT
import MQTTCore
import MQTTTesting
import NIOCore
import Simulation

/// A second client in half of the worlds: on the same event loop, at the same broker, with connections of its own that break as well.
///
/// It publishes to what the client under test subscribes to, and the reverse. So what two applications say to each other is checked from
/// end to end, and what two clients of a process share is shared. It never crashes, and the broker keeps its session.
extension DriverWorld {
    static let neighbourID = "neighbour"

    func beginNeighbour() {
        guard plan.hasNeighbour else { return }
        var configuration = Configuration(broker: .tcp(host: "broker"), session: .volatile(id: DriverWorld.neighbourID))
        configuration.keepAlive = .seconds(1)
        configuration.pauseTimeout = .seconds(1)
        configuration.reconnect.minimum = .milliseconds(5)
        configuration.reconnect.maximum = .milliseconds(50)
        configuration.unclaimed.grace = .seconds(100_000)
        equip(&configuration, SimulatedDialer(self, isNeighbours: true))
        do throws(MQTTError) {
            let client = try MQTTClient(configuration, eventLoopGroup: machine.loop)
            neighbour.client = client
            neighbourTask { [self] in
                do throws(MQTTError) { try await client.run() } catch {
                    if !neighbour.isEnding { machine.fail(.liveness, "the neighbour ends by itself: \(error)") }
                }
            }
            neighbourTask { [self] in await neighbourPublishes(client) }
            neighbourTask { [self] in await neighbourSubscribes(client) }
            neighbourTask { [self] in await neighbourReads(client) }
        } catch {
            machine.fail(.phases, "no neighbour: \(error)")
        }
    }

    func endNeighbour() {
        neighbour.isEnding = true
        guard let client = neighbour.client.take() else { return }
        neighbourTask { await client.close() }
    }

    /// Apart from the tasks of the client under test, which end with its processes.
    private func neighbourTask(_ body: @escaping @Sendable () async -> Void) {
        neighbour.tasks += 1
        Task { [self] in
            machine.check()
            await body()
            neighbour.tasks -= 1
        }
    }

    private func neighbourPublishes(_ client: MQTTClient) async {
        while !isCalm, !neighbour.isEnding {
            await pause(1 + machine.dice.below(plan.elsewherePause * 4))
            guard !isCalm, !neighbour.isEnding else { return }
            let qos: QoS = machine.dice.pick([.atMostOnce, .atLeastOnce, .exactlyOnce, .exactlyOnce])
            let (queue, size) = (machine.dice.below(plan.queues), payloadSize())
            let origin = receipts.publish(queue: queue, qos: qos, size: size, epoch: epoch, isNeighbours: true)
            var bytes: [UInt8] = []
            Payloads.append(Payloads.name(direction: 2, qos, origin), size: size, to: &bytes)
            guard let delivery = try? client.submit(Payload(bytes: bytes), to: "down/\(queue)", qos), qos != .atMostOnce else { continue }
            neighbour.open += 1
            neighbourTask { [self] in
                do throws(MQTTError) {
                    _ = try await delivery.completed
                    if neighbour.arrivals[origin] == nil {
                        machine.fail(.atLeastOnce, "the neighbour's message \(origin) is complete, and never arrived")
                    }
                } catch {
                    if !neighbour.isEnding { machine.fail(.oneOutcome, "the neighbour's message \(origin) ends as \(error)") }
                }
                neighbour.open -= 1
            }
        }
    }

    /// Until it is granted: an answer may be lost with the connection.
    private func neighbourSubscribes(_ client: MQTTClient) async {
        while !neighbour.isEnding {
            do throws(MQTTError) { return _ = try await client.subscribe(to: [Subscription("up/#")]) } catch {
                machine.trace.comment(machine.now, "the neighbour does not subscribe: \(error)")
                await pause(machine.dice.below(20 * millisecond))
            }
        }
    }

    private func neighbourReads(_ client: MQTTClient) async {
        do {
            for try await message in client.messages {
                // None of these is so large that it is streamed.
                let bytes = message.payload.buffer.map { Array($0.readableBytesView) } ?? []
                guard let name = Payloads.name(ofIntact: bytes, direction: 1) else {
                    return machine.fail(.payloadIntact, "the neighbour gets a message of \(bytes.count) bytes that is damaged")
                }
                let index = Payloads.index(of: name)
                machine.trace.note(machine.now, .application, UInt64(index), text: "the neighbour gets publish \(index)")
                machine.marks.hit(.endToEnd)
                check(neighbour.got(index, publishes.items[index], topic: message.topic == topic(index), message.qos))
            }
        } catch {
            machine.fail(.liveness, "the neighbour's messages end: \(error)")
        }
    }

    // MARK: The broker

    /// The broker has a publish of the client under test.
    func passToNeighbour(_ index: Int) {
        if broker.filters(of: DriverWorld.neighbourID).contains("up/#"), publishes.items[index].qos != .atMostOnce {
            neighbour.owed.insert(index)
        }
    }

    /// The broker has a publish of the neighbour.
    func arrivedFromNeighbour(_ publish: ReceivedPublish) {
        guard let name = Payloads.name(ofIntact: publish.payload, direction: 2), let qos = Payloads.qos(of: name),
            qos.rawValue == publish.qos
        else { return machine.fail(.payloadIntact, "the broker got a damaged payload of the neighbour") }
        let origin = Payloads.index(of: name)
        machine.trace.note(machine.now, .arrival, UInt64(origin), text: "the broker owns message \(origin) of the neighbour")
        check(neighbour.arrive(origin, qos))
        // What it has for the client under test belongs to the session that there is now.
        let isSubscribed = broker.filters(of: DriverWorld.clientID).contains("down/\(receipts.items[origin].queue)")
        receipts.arrive(origin, epoch: epoch, isOwed: isSubscribed && qos != .atMostOnce)
    }

    var neighbourIsSettled: Bool {
        guard neighbour.client != nil else { return true }
        return neighbour.open == 0 && broker.isConnected(DriverWorld.neighbourID)
            && broker.pendingCount(of: DriverWorld.neighbourID) == 0 && broker.unreleasedCount(of: DriverWorld.neighbourID) == 0
    }
}

/// The second client, what it said, and what it got.
struct Neighbour {
    typealias Finding = (Invariant, String)

    var client: MQTTClient?
    var isEnding = false
    /// Tasks that have not ended.
    var tasks = 0
    /// Publishes without an end.
    var open = 0
    /// At the broker, by message.
    private(set) var arrivals: [Int: Int] = [:]
    private var lastFirst: [QoS: Int] = [:]
    /// Publishes of the other client that the broker has to bring.
    var owed: Set<Int> = []
    private var handedOver: [Int: Int] = [:]

    mutating func arrive(_ origin: Int, _ qos: QoS) -> Finding? {
        arrivals[origin, default: 0] += 1
        if arrivals[origin, default: 0] > 1 {
            return qos == .atLeastOnce ? nil : (.exactlyOnce, "the neighbour's message \(origin) arrives again at \(qos)")
        }
        defer { lastFirst[qos] = origin }
        guard let last = lastFirst[qos], last > origin else { return nil }
        return (.deliveredInOrder, "the neighbour's message \(origin) arrives behind \(last)")
    }

    mutating func got(_ index: Int, _ item: PublishLedger.Item, topic isRight: Bool, _ qos: QoS) -> Finding? {
        if !isRight || qos != item.qos { return (.payloadIntact, "publish \(index) at \(item.qos) comes to the neighbour at \(qos)") }
        handedOver[index, default: 0] += 1
        owed.remove(index)
        // Once for each time that it came to the broker.
        if qos != .atLeastOnce, handedOver[index, default: 0] > item.arrivals {
            return (.exactlyOnce, "publish \(index) came to the broker \(item.arrivals) times, and to the neighbour once more")
        }
        return nil
    }

    /// PUBACK or PUBREC has come to the broker.
    func acknowledged(_ index: Int) -> Finding? {
        handedOver[index] == nil ? (.handedOverBeforeAcknowledged, "the neighbour acknowledges publish \(index), and never got it") : nil
    }
}
