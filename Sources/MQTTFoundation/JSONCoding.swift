// Foundation's JSON for payloads. A target of its own, so that a client without it does not link Foundation.

public import MQTT

#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

extension JSONEncoder: PayloadEncoder {}

extension JSONDecoder: PayloadDecoder {
    public func decode<Value: Decodable>(_ type: Value.Type, fromPayload bytes: [UInt8]) throws -> Value {
        try decode(type, from: Data(bytes))
    }
}
