import ArgumentParser
import MQTT
import MQTTTesting

/// `mqttc demo`
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See the guarantees hold: messages at all three QoS levels while the connections are cut.",
        discussion: """
            Starts a broker within this process, on a free port of the loopback interface, and needs nothing else. \
            Exit status 1 when a message of QoS 1 or 2 was lost, one of QoS 2 came twice, or the order was not kept.

            EXAMPLES:
              $ mqttc demo
            """
    )

    private static let timeLimit = Duration.seconds(9)

    func run() async throws {
        Descriptor.ignoreBrokenPipes()
        let output = LineWriter()
        let broker = try await TestBroker.start()
        say("An embedded broker on 127.0.0.1:\(broker.port), for demonstrations and tests.", output)
        say("Each level: numbered messages from one client to another, while both connections are cut again and again.\n", output)
        say(row("QoS", "promise", "sent", "cuts", "received", "lost", "doubled", "order", ""), output)
        let holds = await withTaskGroup(of: Bool?.self) { group in
            group.addTask { await demonstrate(broker, output) }
            group.addTask {
                do {
                    try await Task.sleep(for: Self.timeLimit)
                    Complaints.say("not done after \(Self.timeLimit.components.seconds) seconds")
                    return false
                } catch {
                    return nil
                }
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first ?? false
        }
        let lost = ExitStatus.of(output: await output.flush())
        try await broker.stop()
        if let lost { throw ExitCode(lost) }
        if !holds { throw ExitCode(ExitStatus.failure) }
    }

    private func demonstrate(_ broker: TestBroker, _ output: LineWriter) async -> Bool {
        var holds = true
        for qos in QoS.allCases {
            do {
                let result = try await DemoRound(broker: broker, qos: qos).run()
                show(result, output)
                if !result.ledger.holds || result.cuts == 0 { holds = false }
            } catch {
                Complaints.say("QoS \(qos.rawValue): \(error)")
                holds = false
            }
        }
        say(holds ? "\nEvery promise was kept." : "\nA promise was broken.", output)
        return holds
    }

    private func show(_ result: DemoRound.Result, _ output: LineWriter) {
        let ledger = result.ledger
        let promise =
            switch ledger.qos {
            case .atMostOnce: "at most once"
            case .atLeastOnce: "at least once"
            case .exactlyOnce: "exactly once"
            }
        let line = row(
            "\(ledger.qos.rawValue)", promise, "\(ledger.sent)", "\(result.cuts)", "\(ledger.received)", "\(ledger.lost)",
            "\(ledger.doubled)", ledger.isInOrder ? "kept" : "broken", ledger.holds ? "as promised" : "NOT AS PROMISED")
        say(line, output)
    }

    /// Texts to the left, numbers to the right of their columns.
    private func row(_ texts: String...) -> String {
        let widths = [-5, -14, 5, 6, 10, 6, 9, 7, -15]
        let cells = zip(texts, widths).map { text, width in
            let filling = String(repeating: " ", count: max(abs(width) - text.count, 0))
            return width < 0 ? "  " + text + filling : filling + text
        }
        var line = cells.joined()
        while line.last == " " { line.removeLast() }
        return line
    }

    private func say(_ text: String, _ output: LineWriter) {
        output.write(Array((text + "\n").utf8))
    }
}
