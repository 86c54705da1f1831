internal import NIOCore

/// Turns values into the bytes of a payload. Foundation's `JSONEncoder` is one with `import MQTTFoundation`.
public protocol PayloadEncoder {
    associatedtype Bytes: Sequence<UInt8>

    func encode<Value: Encodable>(_ value: Value) throws -> Bytes
}

/// Turns the bytes of a payload into values. Foundation's `JSONDecoder` is one with `import MQTTFoundation`.
public protocol PayloadDecoder {
    func decode<Value: Decodable>(_ type: Value.Type, fromPayload bytes: [UInt8]) throws -> Value
}

extension Payload {
    /// The encoded value.
    ///
    /// - Throws: What the encoder throws; nothing was sent then.
    public init(_ value: some Encodable, encoder: some PayloadEncoder) throws {
        self.init(bytes: try encoder.encode(value))
    }

    /// Decodes a value from the payload.
    ///
    /// - Throws: What the decoder throws; ``MQTTError/Code/invalidArgument`` when the payload is streamed: ``collect(upTo:)`` it first.
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self, decoder: some PayloadDecoder) throws -> Value {
        guard let bytes else { throw MQTTError.denied("the payload is streamed: collect it before it is decoded") }
        return try decoder.decode(type, fromPayload: bytes)
    }
}
