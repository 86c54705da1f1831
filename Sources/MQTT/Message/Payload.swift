public import NIOCore

/// The content of a message, in memory or as a stream. It is the only door to `ByteBuffer`.
///
/// A received payload of up to 256 KiB is in memory, and most cost no copy: they are slices of what was read. A larger one is streamed,
/// unless all of it came in one read: its bytes arrive while they are asked for, so memory does not grow with its size.
public struct Payload: Sendable {
    enum Storage: Sendable {
        /// Few bytes to publish. They are copied when they are sent, and an array costs less then: each look at the memory of a buffer is
        /// checked for exclusive access, a fifth of the instructions of a publish at QoS 0.
        case bytes([UInt8])
        case buffer(ByteBuffer)
        /// What was read, of which the readable bytes are meant: a slice costs more, and is made when it is asked for.
        case received(ByteBuffer)
        case source(CountedSource)
        case stream(PayloadStream)
    }

    let storage: Storage

    /// Payloads up to this size are copied when they are sent.
    static let copiedLength = 2 << 10

    init(_ storage: Storage) { self.storage = storage }

    /// No bytes at all. Published with retain, it clears the retained message of a topic [MQTT-3.3.1-10].
    public static let empty = Payload(.bytes([]))

    public init(_ buffer: ByteBuffer) { storage = .buffer(buffer) }

    /// The text in UTF-8.
    public init(_ string: some StringProtocol) { self.init(bytes: string.utf8) }

    public init(bytes: some Sequence<UInt8>) {
        guard bytes.underestimatedCount <= Self.copiedLength else {
            storage = .buffer(ByteBuffer(bytes: bytes))
            return
        }
        let array = Array(bytes)
        storage = array.count <= Self.copiedLength ? .bytes(array) : .buffer(ByteBuffer(bytes: array))
    }

    /// Bytes that are read when they are sent, and again when they are sent again: for payloads too large to be held.
    public init(source: some PayloadSource) { storage = .source(CountedSource(source)) }

    /// The number of bytes.
    public var count: Int {
        switch storage {
        case .bytes(let bytes): bytes.count
        case .buffer(let buffer), .received(let buffer): buffer.readableBytes
        case .source(let source): source.count
        case .stream(let stream): stream.count
        }
    }

    public var isEmpty: Bool { count == 0 }

    /// The bytes. Nil when the payload is streamed.
    var bytes: [UInt8]? {
        switch storage {
        case .bytes(let bytes): bytes
        case .buffer(let buffer), .received(let buffer): Array(buffer.readableBytesView)
        case .source, .stream: nil
        }
    }

    /// Whether the bytes are not in memory: then use ``chunks`` or ``collect(upTo:)``.
    public var isStreamed: Bool {
        switch storage {
        case .bytes, .buffer, .received: false
        case .source, .stream: true
        }
    }

    /// The bytes. Nil when the payload is streamed.
    public var buffer: ByteBuffer? {
        switch storage {
        case .bytes(let bytes): ByteBuffer(bytes: bytes)
        case .buffer(let buffer): buffer
        case .received(let buffer): buffer.slice()
        case .source, .stream: nil
        }
    }

    /// The bytes as text. Nil when they are not UTF-8, or when the payload is streamed.
    public var string: String? {
        guard let buffer else { return nil }
        return String(validating: buffer.readableBytesView, as: UTF8.self)
    }

    /// The bytes in pieces, in their order. Of a received stream, each byte can be read once.
    public var chunks: Chunks { Chunks(storage: storage) }

    /// The bytes as one buffer.
    ///
    /// - Throws: ``MQTTError/Code/invalidArgument`` when there are more than `limit`, and nothing was read;
    ///   ``MQTTError/Code/connectionLost`` when a received payload broke off: the message is not acknowledged, and at QoS 1 and 2
    ///   comes again; ``MQTTError/Code/payloadUnavailable`` when a source cannot be read, or when the next message was asked for, which
    ///   drops the rest of a received payload; ``MQTTError/Code/canceled``: reading can go on.
    public func collect(upTo limit: Int) async throws(MQTTError) -> ByteBuffer {
        guard count <= limit else { throw .denied("the payload has \(count) bytes, more than \(limit)") }
        if let buffer { return buffer }
        var collected = ByteBuffer()
        collected.reserveCapacity(count)
        var iterator = chunks.makeAsyncIterator()
        while var chunk = try await iterator.next() { collected.writeBuffer(&chunk) }
        return collected
    }
}

extension Payload: ExpressibleByStringLiteral {
    public init(stringLiteral value: StaticString) { self.init(bytes: value.description.utf8) }
}

extension Payload {
    /// The pieces of a payload.
    public struct Chunks: AsyncSequence, Sendable {
        let storage: Storage

        public func makeAsyncIterator() -> Iterator { Iterator(storage: storage) }

        public struct Iterator: AsyncIteratorProtocol {
            let storage: Storage
            var offset = 0

            public mutating func next() async throws(MQTTError) -> ByteBuffer? { try await next(isolation: #isolation) }

            public mutating func next(isolation actor: isolated (any Actor)?) async throws(MQTTError) -> ByteBuffer? {
                switch storage {
                case .bytes(let bytes): return whole(ByteBuffer(bytes: bytes))
                case .buffer(let buffer): return whole(buffer)
                case .received(let buffer): return whole(buffer.slice())
                case .source(let source):
                    guard offset < source.count else { return nil }
                    let chunk = try await source.chunk(at: offset)
                    offset += chunk.readableBytes
                    return chunk
                case .stream(let stream):
                    return try await stream.next(isolation: actor)
                }
            }

            /// One piece, once.
            private mutating func whole(_ buffer: ByteBuffer) -> ByteBuffer? {
                guard offset == 0, buffer.readableBytes > 0 else { return nil }
                offset = buffer.readableBytes
                return buffer
            }
        }
    }
}
