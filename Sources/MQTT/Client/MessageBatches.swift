// Received messages as many at a time as have come together.

extension Messages {
    /// The same messages, as many at a time as have come together: for those who count nanoseconds, or who write to a database in one go.
    ///
    /// ```swift
    /// for try await batch in client.messages.batches {
    ///     try await table.insert(batch.map { ($0.topic, $0.payload.string) })
    /// }
    /// ```
    ///
    /// Asking for the next batch acknowledges all of the one before. An application that was interrupted gets all of it again, but for what
    /// came at QoS 0.
    public var batches: Batches { Batches(queue: queue) }

    /// Received messages in batches. See ``Messages/batches``.
    public struct Batches: AsyncSequence, Sendable {
        public typealias Element = MessageBatch
        public typealias Failure = MQTTError

        let queue: MessageQueue

        /// One iterator at a time, be it of messages or of batches. When it goes away without having asked for another batch, the last one
        /// was not acknowledged: its messages of QoS 1 and 2 are the first ones of the next iterator. (Leaving the scope of
        /// ``MQTTClient/subscribe(to:atMost:_:)`` normally acknowledges it.)
        public func makeAsyncIterator() -> Iterator { Iterator(queue) }

        public struct Iterator: AsyncIteratorProtocol {
            private let cursor: Cursor

            init(_ queue: MessageQueue) { cursor = Cursor(queue) }

            /// Acknowledges the batch before, and waits for the next one. It is never empty. Nil when the client has ended.
            ///
            /// Cancellation loses nothing: it throws ``MQTTError/Code/canceled``, and `next` can be called again.
            public mutating func next() async throws(MQTTError) -> MessageBatch? { try await next(isolation: #isolation) }

            /// Acknowledges the batch that was handed out last, without asking for another: for leaving a loop early.
            public mutating func acknowledge() { cursor.release() }

            public mutating func next(isolation actor: isolated (any Actor)?) async throws(MQTTError) -> MessageBatch? {
                try await cursor.nextBatch(isolation: actor).map { MessageBatch(run: $0) }
            }
        }
    }
}

@available(*, unavailable)
extension Messages.Batches.Iterator: Sendable {}

/// Messages that have come together, in the order of their arrival. At most the last one has a payload that is streamed.
///
/// A message is made each time that it is looked at, out of the buffer that it was read into. To keep one is to keep that buffer.
public struct MessageBatch: RandomAccessCollection, Sendable {
    let run: ReceivedRun

    public var startIndex: Int { run.indices.lowerBound }
    public var endIndex: Int { run.indices.upperBound }

    public func makeIterator() -> Iterator { Iterator(run) }

    public subscript(position: Int) -> Message {
        precondition(run.indices.contains(position), "the batch has no message there")
        return run.message(at: position)
    }

    /// One message after the other.
    public struct Iterator: IteratorProtocol, Sendable {
        private let run: ReceivedRun
        private let places: [ReceivedRun.Place]
        private var maker: MessageMaker
        private var index: Int
        private let end: Int

        init(_ run: ReceivedRun) {
            self.run = run
            switch run.storage {
            case .places(let places, let sources): (self.places, maker) = (places, MessageMaker(sources))
            case .items: (places, maker) = ([], MessageMaker())
            }
            (index, end) = (run.indices.lowerBound, run.indices.upperBound)
        }

        public mutating func next() -> Message? {
            guard index < end else { return nil }
            defer { index += 1 }
            return index < places.count ? maker.message(places[index]) : run.message(at: index)
        }
    }
}
