import MQTT
import MQTTCore
import NIOCore
import Simulation

/// The application's tasks that publish.
extension DriverWorld {
    func publisher(_ client: MQTTClient, _ task: Int) async {
        while !isCalm, !isEnding {
            note(task, "publisher pauses")
            await pause(1 + machine.dice.below(plan.pause * 2))
            let count = 1 + machine.dice.below(plan.burst)
            for _ in 0..<count where !isCalm && !isEnding { await publishSomehow(client, task) }
        }
    }

    private func publishSomehow(_ client: MQTTClient, _ task: Int) async {
        switch machine.dice.below(10) {
        case 0..<5: await publish(client, task)
        case 5:
            // In a task of its own, which may be canceled at any moment.
            let publishing = self.task("publisher beside") { [self] in await publish(client, $0) }
            guard settings.faults.contains(.cancels) else { return }
            cancel(publishing, taskCount, after: machine.dice.below(plan.pause * 4))
        case 6: submitBatch(client, task)
        default: submit(client, task)
        }
    }

    private var someQoS: QoS { machine.dice.pick([.atMostOnce, .atLeastOnce, .atLeastOnce, .exactlyOnce, .exactlyOnce]) }
    func topic(_ index: Int) -> String { "up/\(index % 3)" }

    private func makePayload(_ qos: QoS, mayStream: Bool = true) -> (index: Int, payload: Payload) {
        let isBig = mayStream && plan.bigShare > 0 && machine.dice.chance(plan.bigShare, in: 200)
        let size = isBig ? machine.dice.within(3_000...20_000) : payloadSize()
        let index = publishes.begin(qos, size: size, process: process)
        let name = Payloads.name(direction: 1, qos, index)
        if isBig {
            let isBad = settings.faults.contains(.payloadLoss) && machine.dice.chance(1, in: 6)
            if isBad { publishes.setBadSource(index) }
            return (index, Payload(source: SimulatedSource(world: self, name: name, count: size, isBad: isBad)))
        }
        var bytes: [UInt8] = []
        Payloads.append(name, size: size, to: &bytes)
        return (index, Payload(bytes: bytes))
    }

    func publish(_ client: MQTTClient, _ task: Int, _ wanted: QoS? = nil) async {
        let qos = wanted ?? someQoS
        let (index, payload) = makePayload(qos, mayStream: wanted == nil)
        note(task, "publishes \(index) at QoS \(qos.rawValue)")
        do throws(MQTTError) {
            let until: MQTTClient.Written = machine.dice.chance(1, in: 3) ? .written : .buffered
            if plan.store == nil, machine.dice.chance(1, in: 2) {
                accepted(try await client.publish(payload, to: topic(index), qos, until: until), index)
            } else {
                let publication = Publication(payload, to: topic(index), qos, correlationKey: "\(index)")
                accepted(try await client.publish(publication, until: until), index)
            }
            if !isDown { publishes.becomeStored(index) }
        } catch {
            refused(index, error)
        }
    }

    private func submit(_ client: MQTTClient, _ task: Int) {
        let qos = someQoS
        let (index, payload) = makePayload(qos)
        note(task, "submits \(index) at QoS \(qos.rawValue)")
        let publication = Publication(payload, to: topic(index), qos, correlationKey: "\(index)")
        do throws(MQTTError) { accepted(try client.submit(publication), index) } catch { refused(index, error) }
    }

    private func submitBatch(_ client: MQTTClient, _ task: Int) {
        var batch: [Publication] = []
        var indices: [Int] = []
        for _ in 0..<machine.dice.within(1...6) {
            let qos = someQoS
            let (index, payload) = makePayload(qos, mayStream: false)
            indices.append(index)
            batch.append(Publication(payload, to: topic(index), qos, correlationKey: "\(index)"))
        }
        note(task, "submits \(indices)")
        do throws(MQTTError) {
            for (delivery, index) in zip(try client.submit(contentsOf: batch), indices) { accepted(delivery, index) }
        } catch {
            // Those before the one that was refused go on, and nobody has their handles.
            machine.trace.comment(machine.now, "a batch is refused: \(error.code)")
        }
    }

    private func refused(_ index: Int, _ error: MQTTError) {
        if isDown { return }
        machine.trace.note(machine.now, .application, UInt64(index), text: "publish \(index) is refused: \(error.code), \(error.fate)")
        machine.marks.hit(.refusedPublish)
        check(publishes.refuse(index, error))
    }

    // MARK: What becomes of it

    private func accepted(_ delivery: Delivery, _ index: Int) {
        if isDown { return }
        check(publishes.accept(index, id: delivery.id))
        guard delivery.id != nil else {
            // Of QoS 0 it is asked at once or never.
            if machine.dice.chance(1, in: 4) { task("written \(index)") { [self] _ in await written(delivery, index) } }
            return
        }
        task("completion of \(index)") { [self] in await follow(delivery, index, $0) }
        if machine.dice.chance(1, in: 6) { task("progress of \(index)") { [self] in await watch(delivery, index, $0) } }
        guard settings.faults.contains(.cancels), !isCalm else { return }
        if machine.dice.chance(1, in: 8) {
            let waiting = task("canceled wait for \(index)") { [self] in await waitOnce(delivery, index, $0) }
            cancel(waiting, taskCount, after: machine.dice.below(plan.pause * 20))
        }
        if machine.dice.chance(1, in: 10) { task("end of \(index)") { [self] in await giveUp(delivery, index, $0) } }
    }

    private func written(_ delivery: Delivery, _ index: Int) async {
        do throws(MQTTError) { _ = try await delivery.completed } catch {
            if error.code != .submissionInterrupted, !isDown { machine.fail(.oneOutcome, "QoS 0 publish \(index) ends as \(error)") }
        }
    }

    func follow(_ delivery: Delivery, _ index: Int, _ task: Int) async {
        note(task, "awaits the completion of \(index), accepted as \(delivery.id ?? 0)")
        do throws(MQTTError) {
            if machine.dice.chance(1, in: 3) {
                try await delivery.stored()
                if !isDown { publishes.becomeStored(index) }
            }
            let outcome = try await delivery.completed
            ended(index, .success(outcome))
        } catch {
            ended(index, .failure(error))
        }
    }

    private func ended(_ index: Int, _ result: Result<Delivery.Outcome, MQTTError>) {
        if isDown { return }
        let text: String
        switch result {
        case .success: text = "completed"
        case .failure(let error): text = "\(error.code), \(error.fate)"
        }
        machine.trace.note(machine.now, .application, UInt64(index), text: "publish \(index) ends: \(text)")
        check(publishes.end(index, result, isEnding: isEnding))
    }

    private func waitOnce(_ delivery: Delivery, _ index: Int, _ task: Int) async {
        do throws(MQTTError) { ended(index, .success(try await delivery.completed)) } catch {
            guard error.code == .canceled else { return ended(index, .failure(error)) }
            machine.marks.hit(.canceled)
        }
    }

    private func watch(_ delivery: Delivery, _ index: Int, _ task: Int) async {
        note(task, "watches \(index)")
        var ends = 0
        for await step in delivery.progress {
            if ends > 0 { machine.fail(.oneOutcome, "publish \(index) goes on after its end") }
            switch step {
            case .stored: if !isDown { publishes.becomeStored(index) }
            case .interrupted: break
            case .completed(let outcome):
                ends += 1
                ended(index, .success(outcome))
            case .failed(let error):
                ends += 1
                ended(index, .failure(error))
            }
        }
        if ends != 1 { machine.fail(.oneOutcome, "the steps of publish \(index) have \(ends) ends") }
    }

    private func giveUp(_ delivery: Delivery, _ index: Int, _ task: Int) async {
        note(task, "gives \(index) up later")
        await pause(machine.dice.below(plan.pause * 30))
        if isDown { return }
        publishes.giveUp(index)
        if machine.dice.chance(1, in: 2) {
            guard delivery.withdraw() else { return }
            machine.marks.hit(.withdrawn)
            check(publishes.hasNoEffect(index, "withdrawn"))
        } else if delivery.abandon() {
            machine.marks.hit(.abandoned)
        }
    }
}

/// A payload that is read while it is sent, and takes its time.
struct SimulatedSource: PayloadSource {
    let world: DriverWorld
    let name: UInt64
    let count: Int
    let isBad: Bool

    struct Lost: Error {}

    func read(at offset: Int, count: Int) async throws -> ByteBuffer {
        await world.pause(world.machine.dice.below(world.plan.pause * 3))
        world.machine.marks.hit(.bigOut)
        if isBad, world.machine.dice.chance(1, in: 2) {
            world.machine.marks.hit(.payloadLoss)
            throw Lost()
        }
        var bytes: [UInt8] = []
        Payloads.append(name, size: self.count, to: &bytes)
        return ByteBuffer(bytes: bytes[offset..<offset + count])
    }
}
