/// Received messages, in the order of their arrival.
///
/// Asking for the next message acknowledges the one before: an application that was interrupted gets it again. A queue of
/// bounded size is behind it; while it is full, the client does not read, and the broker slows down.
public struct Messages: AsyncSequence, Sendable {
    public typealias Element = Message
    public typealias Failure = MQTTError

    let queue: MessageQueue

    /// One iterator at a time. When it goes away without having asked for another message, the last one was not acknowledged:
    /// it is the first one of the next iterator. (Leaving the scope of ``MQTTClient/subscribe(to:atMost:_:)`` normally
    /// acknowledges it.)
    public func makeAsyncIterator() -> Iterator { Iterator(queue) }

    public struct Iterator: AsyncIteratorProtocol {
        private let cursor: Cursor

        init(_ queue: MessageQueue) { cursor = Cursor(queue) }

        /// Acknowledges the message before, and waits for the next one. Nil when the client has ended.
        ///
        /// Cancellation loses nothing: it throws ``MQTTError/Code/canceled``, and `next` can be called again.
        ///
        /// - Throws: Also ``MQTTError/Code/subscribeFailed``: the broker had lost the subscription of this scope, and refused to make it
        ///   again. ``MQTTError/Code/invalidArgument``: another task waits for a message of the same sequence.
        @inlinable public mutating func next() async throws(MQTTError) -> Message? { try await next(isolation: #isolation) }

        /// Acknowledges the message that was handed out last, without asking for another: for leaving a loop early.
        public mutating func acknowledge() { cursor.release() }

        @inlinable public mutating func next(isolation actor: isolated (any Actor)?) async throws(MQTTError) -> Message? {
            // Inlined, so that a message that is there costs no frame of a task and no look at its executor.
            if let message = nextAtHand() { return message }
            return try await nextToCome(isolation: actor)
        }

        @usableFromInline mutating func nextAtHand() -> Message? { cursor.nextAtHand() }

        @usableFromInline mutating func nextToCome(isolation actor: isolated (any Actor)?) async throws(MQTTError) -> Message? {
            try await cursor.next(isolation: actor)
        }
    }
}

@available(*, unavailable)
extension Messages.Iterator: Sendable {}

