import ArgumentParser
import Synchronization

/// `mqttc pipe`
struct Pipe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "An MQTT client driven by JSON lines on standard input and output.",
        discussion: """
            For scripts in any language and for test suites: one JSON object per line in, one per line out.

            EXAMPLES:
              $ mqttc pipe
              {"id":1,"op":"connect","host":"localhost","port":1883,"clientID":"me"}
              {"id":2,"op":"subscribe","filters":[{"filter":"in/#","qos":2}]}
              {"id":3,"op":"publish","topic":"out","payload":"hello","qos":1}
              {"id":4,"op":"disconnect"}

            The end of the input closes the connection without a DISCONNECT packet.
            """
    )

    /// PIPE.md wants the end within 3 seconds of the end of the input, whatever is pending.
    private static let exitLimit = Duration.seconds(2)

    func run() async throws {
        Descriptor.ignoreBrokenPipes()
        let session = PipeSession(LineWriter())
        await withCheckedContinuation { continuation in
            let lines = Mutex(LineSplitter(limit: PipeSession.lineLimit))
            StandardInput.read { chunk in
                lines.withLock { $0.feed(chunk[...]) { session.take($0) } }
            } end: { failure in
                if let failure { Complaints.say("standard input: \(failure.message)") }
                continuation.resume()
            }
        }
        await withTaskGroup(of: SystemFile.Failure?.self) { group in
            group.addTask { await session.endOfInput() }
            group.addTask {
                try? await Task.sleep(for: Self.exitLimit)
                return nil
            }
            let failure = await group.next() ?? nil
            // Not waiting for the other one: a thread may be blocked in a write that nobody reads.
            // Who closes the output wants no more of it, which is no failure here.
            Descriptor.exitNow(failure?.isBrokenPipe == false ? ExitStatus.of(output: failure) ?? 0 : 0)
        }
    }
}
