import MQTT
import MQTTCore
import NIOCore
import Simulation

/// The application's tasks that receive.
extension DriverWorld {
    /// Why a consumer leaves its scope.
    private struct Leaving: Error {}

    /// Subscribes again and again, for as long as there is a client.
    func subscriber(_ client: MQTTClient, _ queue: Int, _ task: Int) async {
        while !isEnding {
            note(task, "subscribes to down/\(queue)")
            let scope = self.task("scope of down/\(queue)", isWork: false) { [self] in await subscribe(client, queue, $0) }
            if settings.faults.contains(.cancels), !isCalm, machine.dice.chance(plan.leavesShare, in: 60) {
                machine.after(machine.dice.below(plan.pause * 200)) { [self] in if !isCalm { scope.cancel() } }
            }
            await scope.value
            note(task, "between two scopes of down/\(queue)")
            await pause(1 + machine.dice.below(plan.pause * 4))
        }
    }

    private func subscribe(_ client: MQTTClient, _ queue: Int, _ task: Int) async {
        var isLeaving = false
        do {
            try await client.subscribe(to: "down/\(queue)") { [self] messages in
                let asBatches = machine.dice.chance(1, in: 3)
                let first = receipts.items.count
                while try await consume(client, messages, queue, asBatches, first, task) {
                    // With another iterator: what the one before had not released comes again.
                    if isCalm || machine.dice.chance(2, in: 3) { continue }
                    if machine.dice.chance(1, in: 2) { throw Leaving() }
                    break
                }
                isLeaving = true
                receipts.beginLeaving(queue)
            }
        } catch {
            machine.trace.comment(machine.now, "a scope of down/\(queue) ends: \(error)")
        }
        endedScopes += 1
        if isLeaving { receipts.left(queue) }
    }

    /// Asks for everything that belongs to no scope.
    func collector(_ client: MQTTClient, _ task: Int) async {
        while !isEnding {
            do { _ = try await consume(client, client.messages, nil, machine.dice.chance(1, in: 3), 0, task) } catch {
                machine.fail(.liveness, "asking for messages ends with \(error)")
            }
            await pause(1)
        }
    }

    /// Returns whether there may be more for another iterator.
    /// - Parameter first: The first message that was sent since there is somebody to get it.
    private func consume(
        _ client: MQTTClient, _ messages: Messages, _ queue: Int?, _ asBatches: Bool, _ first: Int, _ task: Int
    ) async throws -> Bool {
        var held: [Int] = []
        var order = HandOverOrder(first: first)
        if asBatches {
            var iterator = messages.batches.makeAsyncIterator()
            while true {
                release(&held)
                order.asks(scopes: endedScopes)
                note(task, "asks for a batch of \(queue.map { "down/\($0)" } ?? "the rest")")
                guard let batch = try await iterator.next() else { return false }
                for message in batch { try await take(message, &held, &order, queue) }
                if try await dealWith(client, queue, task) { return true }
            }
        }
        var iterator = messages.makeAsyncIterator()
        while true {
            release(&held)
            order.asks(scopes: endedScopes)
            note(task, "asks for a message of \(queue.map { "down/\($0)" } ?? "the rest")")
            guard let message = try await iterator.next() else { return false }
            try await take(message, &held, &order, queue)
            if try await dealWith(client, queue, task) { return true }
        }
    }

    private func release(_ held: inout [Int]) {
        if !isDown { for origin in held { receipts.release(origin) } }
        held = []
    }

    /// Slowly perhaps, and with a publish of its own. Returns whether to leave the iterator.
    private func dealWith(_ client: MQTTClient, _ queue: Int?, _ task: Int) async throws -> Bool {
        guard !isCalm, !isEnding else { return false }
        if let queue, plan.consumerPauses[queue] > 0 {
            note(task, "is busy with a message of down/\(queue)")
            await pause(machine.dice.below(plan.consumerPauses[queue] * 2))
        }
        if machine.dice.chance(1, in: 30) {
            note(task, "publishes inside of its loop")
            await publish(client, task)
            if machine.dice.chance(1, in: 2) { _ = try? await client.ping() }
        }
        try Task.checkCancellation()
        return !isCalm && machine.dice.chance(plan.leavesShare, in: 100)
    }

    private func take(_ message: Message, _ held: inout [Int], _ order: inout HandOverOrder, _ queue: Int?) async throws {
        if isDown { return }
        var bytes: [UInt8] = []
        var isWhole = true
        if message.payload.isStreamed {
            guard let read = try await read(message.payload) else { return }
            (bytes, isWhole) = read
        } else if let buffer = message.payload.buffer {
            bytes = Array(buffer.readableBytesView)
        }
        var known = Payloads.name(ofIntact: bytes, direction: 2)
        if known == nil, message.payload.isStreamed {
            // An iterator before this one has read some of it, and each byte can be read once.
            if message.qos == .atMostOnce { return }
            (known, isWhole) = (receipts.name(message.qos, size: message.payload.count), false)
        }
        guard let name = known else { return machine.fail(.payloadIntact, "a message of \(bytes.count) bytes is damaged") }
        let origin = Payloads.index(of: name)
        machine.trace.note(machine.now, .application, UInt64(origin), text: "message \(origin) is handed over")
        let isFirst = receipts.items.indices.contains(origin) && receipts.items[origin].handedOver == 0
        check(receipts.handOver(origin, topic: message.topic, qos: message.qos, epoch: epoch))
        guard machine.failure == nil else { return }
        if isWhole {
            if bytes.count != receipts.items[origin].size { machine.fail(.payloadIntact, "message \(origin) is cut") }
            receipts.becomeWhole(origin)
        }
        // The neighbour sends at QoS 1 again what the broker may have had before anybody subscribed to it.
        if isFirst, !receipts.mayBeDropped(origin), neighbour.arrivals[origin, default: 1] == 1 {
            check(order.note(origin, receipts.items[origin], scopes: queue == nil ? endedScopes : nil))
        }
        held.append(origin)
    }

    /// Nil: the connection was lost in the middle, and the message comes again.
    private func read(_ payload: Payload) async throws -> (bytes: [UInt8], isWhole: Bool)? {
        machine.marks.hit(.streamedIn)
        var bytes: [UInt8] = []
        let wanted = machine.dice.chance(1, in: 4) ? machine.dice.below(payload.count) + Payloads.minimum : payload.count
        do throws(MQTTError) {
            var iterator = payload.chunks.makeAsyncIterator()
            while bytes.count < wanted, let chunk = try await iterator.next() {
                bytes += chunk.readableBytesView
                if !isCalm, machine.dice.chance(1, in: 4) { await pause(machine.dice.below(plan.pause * 10)) }
            }
        } catch {
            if error.code == .connectionLost { machine.marks.hit(.streamedInCut) }
            if error.code == .canceled { throw error }
            return nil
        }
        if bytes.count < payload.count { machine.marks.hit(.streamedInSkipped) }
        return (bytes, bytes.count == payload.count)
    }
}

/// What one iterator hands out for the first time is in the order of sending, for each topic and QoS. What a scope has left behind comes
/// when it ends, in between: at any time since the one before was asked for.
struct HandOverOrder {
    /// Messages from before that were in other hands may come late.
    let first: Int
    private var last: [Int: (origin: Int, scopes: Int)] = [:]
    private var scopesWhenAsked = 0

    init(first: Int) { self.first = first }

    mutating func asks(scopes: Int) { scopesWhenAsked = scopes }

    /// - Parameter scopes: How many have ended, for whoever gets what they leave behind.
    mutating func note(_ origin: Int, _ item: ReceiptLedger.Item, scopes: Int?) -> (Invariant, String)? {
        let key = (item.isNeighbours ? 100 : 0) + item.queue * 3 + Int(item.qos.rawValue)
        defer { last[key] = (origin, scopes == nil ? 0 : scopesWhenAsked) }
        guard let (before, scopesBefore) = last[key], before > origin, scopes ?? 0 == scopesBefore else { return nil }
        // At QoS 1 they come again behind others, when the connection was lost while they were there.
        if origin < first, before >= first || item.qos == .atLeastOnce { return nil }
        return (.deliveredInOrder, "message \(origin) is handed over behind \(before)")
    }
}
