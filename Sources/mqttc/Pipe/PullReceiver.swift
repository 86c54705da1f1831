import MQTT

/// The one sequence of received messages of a client, for `next`: each call may be a task of its own.
///
/// The sequence is held from the start, so that the client knows that its messages have a taker.
actor PullReceiver {
    private var iterator: Messages.AsyncIterator?
    /// Came when the op's time was already over. Acknowledged with the next message, like any other.
    private var leftOver: Message?

    init(_ messages: Messages) {
        iterator = messages.makeAsyncIterator()
    }

    /// Acknowledges the message before and waits for one more. Nil when there will be none.
    /// - Throws: ``MQTTError/Code/canceled`` when the task was canceled while waiting; no message is lost.
    func next() async throws(MQTTError) -> Message? {
        if let message = leftOver {
            leftOver = nil
            return message
        }
        guard var messages = iterator.take() else { return nil }
        defer { iterator = messages }
        return try await messages.next(isolation: self)
    }

    func giveBack(_ message: Message) {
        leftOver = message
    }
}
