import MQTT
import NIOCore

/// Prints messages, one after the other, in the style that was asked for.
struct MessageWriter {
    enum Style: Sendable, Equatable {
        /// The payload alone. Without one, nothing, as mosquitto_sub does.
        case payload
        /// The topic ahead of the payload.
        case verbose
        case format(OutputFormat)
    }

    let style: Style
    let endsLine: Bool
    let isPretty: Bool
    let output: LineWriter

    /// What may wait for standard output before messages of QoS 0, which need no acknowledgement, wait too.
    private static let backlogLimit = 1 << 20
    /// A line beyond this is written in pieces.
    private static let pieceLength = 1 << 18

    private var line: [UInt8] = []
    private var isBroken = false

    init(style: Style, endsLine: Bool, isPretty: Bool, output: LineWriter) {
        self.style = style
        self.endsLine = endsLine
        self.isPretty = isPretty
        self.output = output
    }

    /// Returns when the message is written, so that it can be acknowledged; at QoS 0, when it will be. False when standard output is
    /// broken: nobody reads any more.
    mutating func write(_ message: Message, _ body: MessageBody) async throws -> Bool {
        line.removeAll(keepingCapacity: true)
        switch style {
        case .payload:
            guard body.count > 0 else { return true }
            try await append(.raw, body)
            if endsLine { line.append(UInt8(ascii: "\n")) }
        case .verbose:
            // mosquitto_sub prints nothing at all for an empty payload with -N.
            guard body.count > 0 || endsLine else { return true }
            line += Array(message.topic.utf8)
            line.append(UInt8(ascii: " "))
            if body.count > 0 { try await append(.raw, body) } else { line += Array("(null)".utf8) }
            if endsLine { line.append(UInt8(ascii: "\n")) }
        case .format(let format):
            for piece in format.pieces { try await append(piece, message, body) }
            if endsLine { line.append(UInt8(ascii: "\n")) }
        }
        if isBroken { return false }
        return message.qos == .atMostOnce
            ? await output.write(line, backlog: Self.backlogLimit) : await output.writeThrough(line)
    }

    private mutating func append(_ piece: OutputFormat.Piece, _ message: Message, _ body: MessageBody) async throws {
        switch piece {
        case .text(let bytes): line += bytes
        case .field(let field, let layout): appendField(value(field, message), field, layout)
        case .payload(let coding, let layout): try await append(coding, body, layout)
        case .time(let letter): line += WallTime().formatted("%" + String(Character(UnicodeScalar(letter))))
        case .nanoseconds: line += Array(WallTime().paddedNanoseconds.utf8)
        case .json(let embedsPayload): try await appendJSON(message, body, embedsPayload: embedsPayload)
        case .object: try await appendObject(message, body)
        }
    }

    // MARK: Fields

    private func value(_ field: OutputFormat.Field, _ message: Message) -> [UInt8] {
        switch field {
        case .topic: Array(message.topic.utf8)
        case .lastLevel: Array(message.topic.utf8.suffix(while: { $0 != UInt8(ascii: "/") }))
        case .qos: Array("\(message.qos.rawValue)".utf8)
        case .retain: [message.retain ? UInt8(ascii: "1") : UInt8(ascii: "0")]
        case .duplicate: [message.isDuplicate ? UInt8(ascii: "1") : UInt8(ascii: "0")]
        case .packetID: Array("\(message.packetID)".utf8)
        case .length: Array("\(message.payload.count)".utf8)
        case .numberProperty, .textProperty, .unpaddedProperty: []
        case .isoTime: WallTime().formatted("%Y-%m-%dT%H:%M:%S%z")
        case .unixTime: Array(WallTime().unix.utf8)
        }
    }

    private mutating func appendField(_ value: [UInt8], _ field: OutputFormat.Field, _ layout: OutputFormat.Layout) {
        var value = value[...]
        var layout = layout
        switch field {
        case .topic, .lastLevel, .isoTime, .textProperty:
            if let maximum = layout.maximum { value = value.prefix(maximum) }
            layout.isZeroPadded = false
        case .packetID, .length, .numberProperty, .qos, .retain, .duplicate, .unpaddedProperty, .unixTime: break
        }
        pad(layout, value.count, isLeft: false)
        line += value
        pad(layout, value.count, isLeft: true)
    }

    private mutating func pad(_ layout: OutputFormat.Layout, _ length: Int, isLeft: Bool) {
        guard layout.isLeft == isLeft, length < layout.width else { return }
        line += repeatElement(UInt8(ascii: layout.isZeroPadded ? "0" : " "), count: layout.width - length)
    }

    // MARK: Payloads

    private mutating func append(
        _ coding: OutputFormat.Coding, _ body: MessageBody, _ layout: OutputFormat.Layout = OutputFormat.Layout()
    ) async throws {
        let length =
            switch coding {
            case .raw: body.count
            case .lowerHex, .upperHex: body.count * 2
            case .base64: (body.count + 2) / 3 * 4
            }
        pad(layout, length, isLeft: false)
        try await appendChunks(of: body) { chunk, line in
            switch coding {
            case .raw: line += chunk
            case .lowerHex: for byte in chunk { JSONText.appendHex(byte, isUpper: false, to: &line) }
            case .upperHex: for byte in chunk { JSONText.appendHex(byte, isUpper: true, to: &line) }
            case .base64: Base64.append(chunk, to: &line)
            }
        }
        pad(layout, length, isLeft: true)
    }

    private mutating func appendChunks(of body: MessageBody, _ append: ([UInt8], inout [UInt8]) -> Void) async throws {
        var (line, isBroken) = (line, isBroken)
        let output = output
        try await body.forEachChunk { chunk in
            append(chunk, &line)
            guard line.count >= Self.pieceLength, !isBroken else { return }
            // Only this writer writes: the pieces of a message stay together.
            isBroken = await !output.writeThrough(line)
            line.removeAll(keepingCapacity: true)
        }
        (self.line, self.isBroken) = (line, isBroken)
    }

    // MARK: JSON

    /// The object of mosquitto_sub's %j and %J.
    private mutating func appendJSON(_ message: Message, _ body: MessageBody, embedsPayload: Bool) async throws {
        var head = Array("{\"tst\":\"".utf8) + WallTime().microseconds(zonePrefix: "Z")
        head += Array("\",\"topic\":".utf8) + JSONText.quoted(message.topic)
        head += Array(",\"qos\":\(message.qos.rawValue),\"retain\":\(message.retain ? 1 : 0),\"payloadlen\":\(body.count)".utf8)
        if message.qos > .atMostOnce { head += Array(",\"mid\":\(message.packetID)".utf8) }
        guard embedsPayload, body.count > 0 else {
            guard isPretty else {
                line += head
                return try await appendPayloadMember(body)
            }
            let start = line.count
            line += head
            try await appendPayloadMember(body, inPieces: false)
            return line.replaceSubrange(start..., with: JSONText.pretty(Array(line[start...])))
        }
        let payload = try await body.whole()
        var parser = JSONParser(payload)
        guard (try? parser.parse()) != nil, !parser.hasInvalidText else {
            return Complaints.say("Error: Message payload is not valid JSON on topic \(message.topic).")
        }
        let json = head + Array(",\"payload\":".utf8) + JSONText.compact(payload) + Array("}".utf8)
        line += isPretty ? JSONText.pretty(json) : json
    }

    /// `,"payload":"text"}`; in base64, and under another name, what is not UTF-8.
    private mutating func appendPayloadMember(_ body: MessageBody, emptyIsNull: Bool = true, inPieces: Bool = true) async throws {
        if body.count == 0, emptyIsNull { return line += Array(",\"payload\":null}".utf8) }
        let isText = try await body.isText()
        line += Array((isText ? ",\"payload\":\"" : ",\"payloadBase64\":\"").utf8)
        let encode = { (chunk: [UInt8], line: inout [UInt8]) in
            if isText { JSONText.escape(chunk, to: &line) } else { Base64.append(chunk, to: &line) }
        }
        if inPieces {
            try await appendChunks(of: body, encode)
        } else {
            encode(try await body.whole(), &line)
        }
        line += Array("\"}".utf8)
    }

    /// Our own object: a line of NDJSON.
    private mutating func appendObject(_ message: Message, _ body: MessageBody) async throws {
        line += Array("{\"time\":\"".utf8) + WallTime().microseconds() + Array("\",\"topic\":".utf8) + JSONText.quoted(message.topic)
        line += Array(",\"qos\":\(message.qos.rawValue),\"retain\":\(message.retain),\"dup\":\(message.isDuplicate)".utf8)
        if message.qos > .atMostOnce { line += Array(",\"packetID\":\(message.packetID)".utf8) }
        try await appendPayloadMember(body, emptyIsNull: false)
    }
}

extension String.UTF8View {
    /// The bytes behind the last one that fails the test.
    fileprivate func suffix(while isWanted: (UInt8) -> Bool) -> SubSequence {
        var start = endIndex
        while start > startIndex, isWanted(self[index(before: start)]) { start = index(before: start) }
        return self[start...]
    }
}
