import MQTT
import MQTTCore
import Simulation

/// The application's tasks that ask the broker, and that look at the connection.
extension DriverWorld {
    func requester(_ client: MQTTClient, _ task: Int) async {
        while !isCalm, !isEnding {
            note(task, "requester pauses")
            await pause(1 + machine.dice.below(plan.pause * 40))
            guard !isCalm, !isEnding else { break }
            let asking = self.task("request") { [self] in await request(client, $0) }
            if settings.faults.contains(.cancels), machine.dice.chance(1, in: 3) {
                cancel(asking, taskCount, after: machine.dice.below(plan.pause * 10))
            }
            if machine.dice.chance(1, in: 2) { await asking.value }
        }
    }

    private func request(_ client: MQTTClient, _ task: Int) async {
        let timeout: Duration? = machine.dice.chance(1, in: 3) ? .milliseconds(machine.dice.within(1...100)) : nil
        do throws(MQTTError) {
            switch machine.dice.below(7) {
            case 0, 1:
                note(task, "pings")
                machine.marks.hit(.ping)
                try await client.ping(timeout: timeout)
            case 2:
                note(task, "subscribes without a scope")
                try await client.subscribe(to: [Subscription("other/\(machine.dice.below(3))/#")], timeout: timeout)
            case 3:
                note(task, "unsubscribes")
                try await client.unsubscribe(from: ["other/\(machine.dice.below(3))/#"], timeout: timeout)
            case 4:
                note(task, "waits until online")
                try await client.waitUntilOnline()
            case 5:
                note(task, "pauses connecting")
                client.pauseConnecting()
                await pause(machine.dice.below(plan.pause * 100))
                client.connectNow()
            default:
                note(task, "connects now")
                client.connectNow()
            }
        } catch {
            note(task, "the request fails: \(error.code)")
        }
    }

    /// States alternate, and the last one is the end.
    func observer(_ client: MQTTClient, _ task: Int) async {
        // Not known before the first one.
        var isOnline: Bool?
        var isClosed = false
        for await state in client.connectionStates {
            note(task, "observes \(state)")
            if isClosed { machine.fail(.phases, "a state follows the end") }
            switch state {
            case .online:
                if isOnline == true { machine.fail(.phases, "online twice") }
                machine.marks.hit(.reconnect)
                isOnline = true
            case .offline:
                if isOnline == false { machine.fail(.phases, "offline twice") }
                isOnline = false
            case .attemptFailed: if isOnline == true { machine.fail(.phases, "an attempt fails while online") }
            case .closed: isClosed = true
            }
        }
        if !isClosed { machine.fail(.phases, "the states end without the end") }
    }
}
