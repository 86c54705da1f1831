import ArgumentParser
import MQTT
import NIOCore

/// `mqttc bench rtt`
struct BenchRoundTrip: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rtt",
        abstract: "Send one message at a time, and measure until the broker has acknowledged it.",
        discussion: """
            It runs on the thread of the connection, as an application can that wants the shortest time.

            EXAMPLES:
              $ mqttc bench rtt
              $ mqttc bench rtt mqtt://broker.example.com --count 1000 --qos 2
              $ mqttc bench rtt --rate 100 --count 1000 --json
            """
    )

    @OptionGroup var common: BenchArguments
    @OptionGroup var load: LoadArguments

    func validate() throws {
        if load.qos == .atMostOnce { throw ValidationError("At QoS 0 nothing comes back: rtt is for QoS 1 and 2.") }
    }

    func run() async throws {
        let (common, output, meter) = (common, LineWriter(), BenchMeter())
        var load = load
        load.window = 1
        let (fixed, qos, total) = (load, load.qos ?? .atLeastOnce, load.count ?? 10_000)
        try await common.running(clients: common.clients, adjust: fixed.adjust).runAll(output: output) { clients in
            let display = meter.display(of: total, what: "round trips")
            let start = Ticks.now
            let pace = Pace(rate: fixed.rate, clients: clients.count, start: start)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, client) in clients.enumerated() {
                    let numbers = total * index / clients.count..<total * (index + 1) / clients.count
                    let sender = LoadSender(
                        client: client, topic: common.topicName, qos: qos, size: fixed.size, numbers: numbers, window: 1, pace: pace,
                        meter: meter)
                    group.addTask(executorPreference: client.taskExecutor) { try await sender.run() }
                }
                try await group.waitForAll()
            }
            let seconds = Double(Ticks.now - start) / 1e9
            display?.cancel()
            await display?.value
            let report = BenchReport(
                mode: "rtt", clients: clients.count, qos: qos, size: fixed.size, count: meter.completed, seconds: seconds, lost: meter.lost,
                duplicated: 0, latencies: meter.histogram, usage: System.usage)
            output.write(common.json ? report.json : report.table)
            if meter.lost > 0 { throw Running.Exit(status: ExitStatus.failure) }
        }
    }
}
