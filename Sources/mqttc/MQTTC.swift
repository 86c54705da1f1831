import ArgumentParser

/// The command line: one binary, a subcommand for each job.
struct MQTTC: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mqttc",
        abstract: "MQTT on the command line: publish, subscribe, measure, watch.",
        discussion: """
            The broker is a URL, or told by the options of mosquitto_pub and mosquitto_sub, which mean the same here: -h is the \
            host, and help is --help. Options for every run stand in the file mqttc/config below XDG_CONFIG_HOME (~/.config), one \
            on a line, below [pub] or [sub] for that command alone.

            EXAMPLES:
              $ mqttc demo
              $ mqttc sub -h broker.example.com -t 'sensors/#' -v
              $ mqttc pub mqtt://broker.example.com -t sensors/kitchen -m 20.8 -q 1
              $ mqttc test mqtt://broker.example.com
              $ mqttc --generate-completion-script zsh > _mqttc     # or bash, or fish

            EXIT STATUS:
              0 done
              1 other failure
              64 usage: the command line makes no sense, or asks for what is not there
              65 publish rejected by the broker
              66 a subscription was denied
              69 broker unreachable or unavailable
              74 store or file failure
              75 time-out
              76 protocol violation, or version refused
              77 not authorised, bad credentials, or client identifier refused
              129, 130, 143 SIGHUP, SIGINT, SIGTERM, after a clean DISCONNECT: no will
            """,
        version: Release.text,
        subcommands: [Pub.self, Sub.self, TestCommand.self, Bench.self, Watch.self, Pipe.self, BrokerCommand.self, Demo.self],
        // -h is the host.
        helpNames: .long
    )

    static func main() async {
        let words: CommandWords
        do throws(CommandWords.Failure) {
            let arguments = SystemFile.arguments
            let program = String(decoding: arguments.first ?? [], as: UTF8.self)
            words = try CommandWords(program: program, ArgumentText.words(arguments.dropFirst()), defaults: DefaultsFile.lines)
        } catch {
            Complaints.say(error.message)
            Self.exit(withError: ExitCode(ExitStatus.usage))
        }
        if words.hasPassword {
            SystemFile.hideArguments(where: CommandWords.secret)
            if !words.words.contains("--quiet") {
                Complaints.say("other users can see a password on the command line; use --password-file, MQTTC_PASSWORD or --ask-password")
            }
        }
        if let line = words.culprit(complaint) {
            Complaints.say("\(line.place): \(complaint(words.words) ?? "")")
            Self.exit(withError: ExitCode(ExitStatus.usage))
        }
        await run(words.words)
    }

    /// As the parser's own `main`, but what is printed for `--help` and its like goes out whole or is a failure.
    private static func run(_ words: [String]) async {
        do {
            var command = try parseAsRoot(words)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            let text = fullMessage(for: error)
            guard exitCode(for: error).isSuccess, !text.isEmpty else { Self.exit(withError: error) }
            Descriptor.ignoreBrokenPipes()
            let status = ExitStatus.of(output: Descriptor.output.failure(writing: Array((text + "\n").utf8)))
            Descriptor.exitNow(status ?? 0)
        }
    }

    /// What is wrong with a command line. Nil when it can be run.
    private static func complaint(_ words: [String]) -> String? {
        do {
            _ = try parseAsRoot(words)
            return nil
        } catch {
            return exitCode(for: error).isSuccess ? nil : message(for: error)
        }
    }
}
