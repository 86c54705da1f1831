import ArgumentParser
import MQTT

/// `mqttc bench sub`
struct BenchSub: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sub",
        abstract: "Receive messages, whoever publishes them, and measure until the last has come.",
        discussion: """
            It ends after --count messages for each client. With --publish it sends them itself, over a connection of its own; \
            then latencies are measured, of every 64th message, from one end to the other, and it also ends when nothing has come \
            for three seconds after the last was sent. \
            The sender then stays within --window of what has come, so that no broker has to queue more. \
            Messages of `mqttc bench` from eight bytes on are numbered: lost is what is missing between the first and the last that \
            came, of one run.

            EXAMPLES:
              $ mqttc bench sub --publish --count 1000000
              $ mqttc bench sub --publish --qos 2 --json
              $ mqttc bench sub -t 'sensors/#' --count 1000          # whoever publishes
            """
    )

    @OptionGroup var common: BenchArguments
    @OptionGroup var load: LoadArguments

    @Flag(help: "Publish the messages too, over a second connection.")
    var publish = false

    func validate() throws {
        if !publish, load.rate != nil { throw ValidationError("--rate needs --publish.") }
    }

    func run() async throws {
        let (common, load, output, meter, publishes) = (common, load, LineWriter(), BenchMeter(), publish)
        let qos = load.qos ?? .atMostOnce
        let count = load.count ?? 100_000
        let running = common.running(clients: common.clients + (publishes ? 1 : 0), adjust: load.adjust)
        try await running.runAll(output: output) { clients in
            let receiving = Array(publishes ? clients.dropLast() : clients)
            for client in receiving { try await client.subscribe(to: [Subscription(common.topicName, atMost: qos)], timeout: .seconds(30)) }
            let display = meter.display(of: count * receiving.count, what: "messages")
            let times = publishes && StampedPayloads.areNumbered(size: load.size) ? SendTimes() : nil
            let gate = publishes ? ArrivalGate(receivers: receiving.count, window: load.window) : nil
            let receivers = receiving.enumerated().map { index, client in
                LoadReceiver(client: client, index: index, count: count, meter: meter, times: times, isNumbered: times != nil, gate: gate)
            }
            let start = Ticks.now
            var sender: LoadSender?
            if publishes, let last = clients.last {
                let pace = Pace(rate: load.rate, clients: 1, start: start)
                // What it counts is sent; the receivers count what comes.
                sender = LoadSender(
                    client: last, topic: common.topicName, qos: qos, size: load.size, numbers: 0..<count, window: load.window, pace: pace,
                    meter: BenchMeter(), times: times, gate: gate, isStored: common.store != nil)
            }
            let results = try await LoadExchange(receivers: receivers, sender: sender, meter: meter, gate: gate).run()
            display?.cancel()
            await display?.value
            let began = publishes ? start : results.compactMap(\.first).min() ?? start
            let ended = results.compactMap(\.last).max() ?? began
            let report = BenchReport(
                mode: "sub", clients: receiving.count, qos: qos, size: publishes ? load.size : nil,
                count: results.reduce(0) { $0 + $1.received },
                seconds: Double(ended - began) / 1e9, lost: results.reduce(0) { $0 + $1.lost(of: publishes ? count : nil) },
                duplicated: results.reduce(0) { $0 + $1.duplicated }, latencies: meter.histogram, usage: System.usage)
            output.write(common.json ? report.json : report.table)
            guard qos == .atMostOnce || report.lost == 0, qos != .exactlyOnce || report.duplicated == 0 else {
                throw Running.Exit(status: ExitStatus.failure)
            }
        }
    }
}
