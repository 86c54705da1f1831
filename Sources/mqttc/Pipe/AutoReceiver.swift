import MQTT

/// `receive: auto`: each message as an event when it arrives, acknowledged right after its line was written.
struct AutoReceiver: Sendable {
    private enum Stop: Error { case outputBroken }

    /// What may wait for standard output before messages of QoS 0, which need no acknowledgement, wait too.
    private static let backlogLimit = 1 << 20

    private let messages: Messages
    private let output: LineWriter
    private let isOpen: @Sendable () -> Bool

    init(_ messages: Messages, _ output: LineWriter, isOpen: @escaping @Sendable () -> Bool) {
        self.messages = messages
        self.output = output
        self.isOpen = isOpen
    }

    /// Returns when the client has ended, or when nobody can be told any more: then nothing is acknowledged.
    func run() async {
        do {
            // Asking for the next message acknowledges the one before; leaving by an error does not.
            for try await message in messages { try await report(message) }
        } catch {
            // Either end is told elsewhere: by the client's state, or not at all.
        }
    }

    private func report(_ message: Message) async throws {
        let line: [UInt8]
        do {
            line = try await MessageEvent.line(for: message)
        } catch {
            // Broken off within its payload: it was not received, and is not acknowledged.
            return
        }
        guard isOpen() else { throw Stop.outputBroken }
        let isWritten =
            message.qos == .atMostOnce
            ? await output.write(line, backlog: Self.backlogLimit) : await output.writeThrough(line)
        guard isWritten else { throw Stop.outputBroken }
    }
}
