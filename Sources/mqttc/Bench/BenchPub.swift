import ArgumentParser
import MQTT

/// `mqttc bench pub`
struct BenchPub: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pub",
        abstract: "Send messages, and measure until the last is complete.",
        discussion: """
            Latencies at QoS 1 and 2 are from the call to the broker's last acknowledgement, at QoS 0 of the call alone, every 64th \
            of which is timed.

            EXAMPLES:
              $ mqttc bench pub --count 1000000
              $ mqttc bench pub --qos 1 --window 1000 --size 100 --clients 4
              $ mqttc bench pub --qos 2 --rate 1000 --count 10000 --json
            """
    )

    @OptionGroup var common: BenchArguments
    @OptionGroup var load: LoadArguments

    func run() async throws {
        let (common, load, output, meter) = (common, load, LineWriter(), BenchMeter())
        let qos = load.qos ?? .atMostOnce
        let total = load.count ?? 100_000
        try await common.running(clients: common.clients, adjust: load.adjust).runAll(output: output) { clients in
            let display = meter.display(of: total, what: "messages")
            let start = Ticks.now
            let losses = ConnectionLosses(clients)
            let pace = Pace(rate: load.rate, clients: clients.count, start: start)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, client) in clients.enumerated() {
                    // An equal share each, to the message.
                    let numbers = total * index / clients.count..<total * (index + 1) / clients.count
                    let sender = LoadSender(
                        client: client, topic: common.topicName, qos: qos, size: load.size, numbers: numbers, window: load.window,
                        pace: pace, meter: meter, isStored: common.store != nil)
                    group.addTask { try await sender.run() }
                }
                try await group.waitForAll()
            }
            let seconds = Double(Ticks.now - start) / 1e9
            display?.cancel()
            await display?.value
            let report = BenchReport(
                mode: "pub", clients: clients.count, qos: qos, size: load.size, count: meter.completed, seconds: seconds, lost: meter.lost,
                duplicated: 0, latencies: meter.histogram, usage: System.usage)
            output.write(common.json ? report.json : report.table)
            if qos == .atMostOnce, losses.count > 0 {
                Complaints.say("a connection was lost \(losses.count) times: messages of QoS 0 may be lost")
                throw Running.Exit(status: ExitStatus.failure)
            }
            if meter.lost > 0 { throw Running.Exit(status: ExitStatus.failure) }
        }
    }
}
