import MQTT

/// The fields of an op, typed. A field of the wrong type is `denied`, null included; one that is absent is nil.
struct Fields {
    private let object: JSONObject

    init(_ object: JSONObject) {
        self.object = object
    }

    func has(_ name: String) -> Bool {
        object[name] != nil
    }

    func string(_ name: String) throws(PipeFailure) -> String? {
        switch object[name] {
        case nil: return nil
        case .string(let text): return text
        default: throw .denied("\(name) must be a text")
        }
    }

    /// A text as MQTT has them: at most 65,535 bytes, without U+0000.
    func text(_ name: String) throws(PipeFailure) -> String? {
        guard let text = try string(name) else { return nil }
        guard text.utf8.count <= 65_535 else { throw .denied("\(name) is longer than 65,535 bytes in UTF-8") }
        guard !text.utf8.contains(0) else { throw .denied("\(name) contains U+0000") }
        return text
    }

    func bool(_ name: String) throws(PipeFailure) -> Bool? {
        switch object[name] {
        case nil: return nil
        case .bool(let value): return value
        default: throw .denied("\(name) must be true or false")
        }
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(PipeFailure) -> Int? {
        switch object[name] {
        case nil: return nil
        case .integer(let value):
            guard let integer = Int(exactly: value), range.contains(integer) else {
                throw .denied("\(name) is out of \(range.lowerBound) to \(range.upperBound)")
            }
            return integer
        case .number: throw .denied("\(name) must be an integer in \(range.lowerBound) to \(range.upperBound)")
        default: throw .denied("\(name) must be a number")
        }
    }

    func qos(_ name: String = "qos") throws(PipeFailure) -> QoS? {
        guard let value = try integer(name, in: 0...2) else { return nil }
        return QoS(rawValue: UInt8(value))
    }

    /// Beyond thirty years nobody can tell, and `Duration` would overflow.
    private static let secondsLimit = 1e9

    func seconds(_ name: String) throws(PipeFailure) -> Duration? {
        let value: Double
        switch object[name] {
        case nil: return nil
        case .integer(let seconds): value = Double(seconds)
        case .number(let seconds): value = seconds
        default: throw .denied("\(name) must be a number of seconds")
        }
        guard value >= 0 else { throw .denied("\(name) is negative") }
        let duration = Duration.seconds(min(value, Self.secondsLimit))
        // Only 0 means "has already passed"; a positive number too small to represent is still one.
        return value > 0 ? max(duration, .nanoseconds(1)) : duration
    }

    func list(_ name: String) throws(PipeFailure) -> [JSON]? {
        switch object[name] {
        case nil: return nil
        case .array(let elements): return elements
        default: throw .denied("\(name) must be a list")
        }
    }

    func fields(_ name: String) throws(PipeFailure) -> Fields? {
        switch object[name] {
        case nil: return nil
        case .object(let object): return Fields(object)
        default: throw .denied("\(name) must be an object")
        }
    }

    func base64(_ name: String) throws(PipeFailure) -> [UInt8]? {
        guard let text = try string(name) else { return nil }
        guard let data = Base64.decode(text) else { throw .denied("\(name) is not base64") }
        return data
    }

    /// Binary data that may be given as text under `name`, or as base64 under `name` with "Base64" behind.
    func bytes(_ name: String) throws(PipeFailure) -> [UInt8]? {
        let text = try string(name)
        let data = try base64(name + "Base64")
        guard let text else { return data }
        guard data == nil else { throw .denied("\(name) and \(name)Base64 exclude each other") }
        return Array(text.utf8)
    }

    /// 3.1.1 has no properties; an empty object asks for none.
    func refuseProperties() throws(PipeFailure) {
        guard let properties = try fields("properties"), !properties.object.members.isEmpty else { return }
        throw .denied("properties are for version 5.0")
    }
}
