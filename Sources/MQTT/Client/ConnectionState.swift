internal import Synchronization

/// What is known of a connection that the broker accepted.
public struct Online: Sendable, Hashable {
    /// Whether the broker had kept the session. If not, publishes that were under way go out again as new ones.
    public let sessionPresent: Bool
}

/// How the connection of a client stands.
public enum ConnectionState: Sendable, Hashable {
    /// The broker accepted a connection.
    case online(Online)
    /// A connection that was online is lost: ``MQTTError/Code/connectionLost``, ``MQTTError/Code/protocolViolation``.
    /// The client reconnects.
    case offline(MQTTError)
    /// An attempt to connect failed. The next one follows.
    case attemptFailed(MQTTError)
    /// The client has ended. Nothing follows.
    case closed
}

/// The states of a connection, as they come.
///
/// It begins with the state at the time of asking, if there was one, and misses nothing from then on, up to 1,000 states that
/// nobody asked for; beyond, the oldest are dropped.
public struct ConnectionStates: AsyncSequence, Sendable {
    public typealias Failure = Never

    let stream: AsyncStream<ConnectionState>

    public func makeAsyncIterator() -> Iterator { Iterator(iterator: stream.makeAsyncIterator()) }

    public struct Iterator: AsyncIteratorProtocol {
        var iterator: AsyncStream<ConnectionState>.Iterator

        public mutating func next() async -> ConnectionState? { await iterator.next(isolation: #isolation) }

        public mutating func next(isolation actor: isolated (any Actor)?) async -> ConnectionState? {
            await iterator.next(isolation: actor)
        }
    }
}

/// Tells every observer about every state.
final class StateBroadcast: Sendable {
    private struct State {
        var last: ConnectionState?
        var observers: [UInt64: AsyncStream<ConnectionState>.Continuation] = [:]
        var nextID: UInt64 = 0
    }

    private let state = Mutex(State())

    func send(_ change: ConnectionState) {
        let observers = state.withLock { state -> [AsyncStream<ConnectionState>.Continuation] in
            // The client may have ended on another thread: that is the last word.
            if state.last == .closed { return [] }
            state.last = change
            defer { if change == .closed { state.observers = [:] } }
            return state.observers.sorted { $0.key < $1.key }.map(\.value)
        }
        for observer in observers {
            observer.yield(change)
            if change == .closed { observer.finish() }
        }
    }

    func observe() -> ConnectionStates {
        let (stream, continuation) = AsyncStream.makeStream(of: ConnectionState.self, bufferingPolicy: .bufferingNewest(1_000))
        let (id, isClosed) = state.withLock { state -> (UInt64, Bool) in
            if let last = state.last { continuation.yield(last) }
            state.nextID += 1
            if state.last != .closed { state.observers[state.nextID] = continuation }
            return (state.nextID, state.last == .closed)
        }
        if isClosed { continuation.finish() }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { _ = $0.observers.removeValue(forKey: id) } }
        return ConnectionStates(stream: stream)
    }
}
