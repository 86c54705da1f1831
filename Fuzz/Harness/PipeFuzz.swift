import MQTTTransport

@testable import PipeLines

/// Lines of `mqttc pipe`: cut the same however they arrive, read without a trap, and what was read is read again when printed.
func fuzzPipe(_ bytes: [UInt8]) {
    var input = Input(bytes)
    let seed = input.byte()
    let limit = 16 + Int(input.byte()) * 16
    let text = input.rest()
    let whole = lines([text], limit)
    require(whole == lines(pieces(of: text, seed: seed), limit), "lines depend on how they arrive")
    for line in whole {
        switch line {
        case .whole(let bytes):
            require(bytes.count <= limit, "a line is longer than the limit")
            read(bytes)
        case .tooLong(let bytes):
            require(bytes.count == limit, "the beginning of a line has \(bytes.count) bytes")
            read(bytes)
        }
    }
    if let text = String(validating: text, as: UTF8.self), let data = Base64.decode(text) {
        require(Base64.encode(data) == text, "base64 is not what it was decoded from")
    }
}

private func lines(_ pieces: [[UInt8]], _ limit: Int) -> [LineSplitter.Line] {
    var splitter = LineSplitter(limit: limit)
    var lines: [LineSplitter.Line] = []
    for piece in pieces { splitter.feed(piece[...]) { lines.append($0) } }
    require(splitter.rest.count <= limit, "more than the limit is kept")
    return lines
}

private func read(_ line: [UInt8]) {
    var parser = JSONParser(line)
    guard let value = try? parser.parse() else { return }
    let printed = print(value)
    var again = JSONParser(printed)
    require(isSame(try? again.parse(), value), "printed it reads otherwise: \(String(decoding: printed, as: UTF8.self))")
    guard case .object(let object) = value else { return }
    require(parser.identifier == object["id"], "the id is another one")
    if case .integer(let id)? = object["id"], let op = try? Op(id: id, object) {
        require(op.id == id, "the op has another id")
        if case .subscribe(let subscriptions) = op.kind { require(!subscriptions.isEmpty, "a subscription to nothing") }
    }
}

/// A number with a fraction too small for a Double is integral when it is printed.
private func isSame(_ other: JSON?, _ value: JSON) -> Bool {
    switch (other, value) {
    case (.integer(let integer), .number(let number)): Double(integer) == number
    case (.array(let others), .array(let values)): others.count == values.count && zip(others, values).allSatisfy(isSame)
    case (.object(let others), .object(let object)):
        others.members.map(\.name) == object.members.map(\.name)
            && zip(others.members, object.members).allSatisfy { isSame($0.value, $1.value) }
    default: other == value
    }
}

private func print(_ value: JSON) -> [UInt8] {
    switch value {
    case .null: return Array("null".utf8)
    case .bool(let value): return Array("\(value)".utf8)
    case .integer(let value): return Array("\(value)".utf8)
    case .number(let value):
        // Infinite is what is beyond a Double.
        return Array((value.isInfinite ? (value < 0 ? "-1e999" : "1e999") : "\(value)").utf8)
    case .string(let text): return quoted(text)
    case .array(let elements): return [UInt8(ascii: "[")] + elements.map(print).joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "]")]
    case .object(let object):
        let members = object.members.map { quoted($0.name) + [UInt8(ascii: ":")] + print($0.value) }
        return [UInt8(ascii: "{")] + members.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "}")]
    }
}

/// By the printer of the output lines, out of its object {"x":"..."}.
private func quoted(_ text: String) -> [UInt8] {
    var line = JSONLine()
    line.add("x", text)
    return Array(line.finish().dropFirst(5).dropLast(2))
}
