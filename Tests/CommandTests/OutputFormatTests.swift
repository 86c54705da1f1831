import MQTT
import NIOCore
import Testing

@testable import mqttc

/// The language of -F, JSON for programs, and payloads that do not fit in memory.
@Suite struct OutputFormatTests {
    private func print(
        _ style: MessageWriter.Style, _ payload: [UInt8], topic: String = "a/b", qos: QoS = .atMostOnce, endsLine: Bool = true,
        isPretty: Bool = false
    ) async throws -> String {
        let pipe = OutputPipe()
        let output = LineWriter(pipe.writer)
        var writer = MessageWriter(style: style, endsLine: endsLine, isPretty: isPretty, output: output)
        let message = Message(topic: topic, payload: Payload(bytes: payload), qos: qos, retain: true, isDuplicate: true, packetID: 7)
        let body = try #require(try await MessageBody(message.payload))
        #expect(try await writer.write(message, body))
        await output.flush()
        pipe.closeWriter()
        let lines = pipe.readLines(.max)
        pipe.closeReader()
        return lines.joined(separator: "\n")
    }

    @Test(arguments: [
        ("%t|%5t|%-5t|%.1t|%L", "a/b|  a/b|a/b  |a|b"), ("%q%r%d%l|%05l|%-5l|%m|%03m", "1112|00002|2    |7|007"),
        ("%p|%x|%X|%b|%5p|%-5x|", "hi|6869|6869|aGk=|   hi|6869 |"), (#"%%@@\\\ta"#, "%@\\\ta"), ("[%A%C%3S%D]", "[   ]"),
    ])
    func fields(format: String, expected: String) async throws {
        #expect(try await print(.format(OutputFormat(format)), Array("hi".utf8), qos: .atLeastOnce) == expected)
    }

    @Test(arguments: ["%", "%5", "%.3", "%z", "%--5t", #"\z"#, #"a\"#, "@", "%20000t"])
    func invalid(format: String) {
        #expect(throws: OutputFormat.Failure.self) { try OutputFormat(format) }
    }

    @Test func emptyPayloadsAsMosquitto() async throws {
        #expect(try await print(.payload, []) == "")
        #expect(try await print(.verbose, []) == "a/b (null)")
        #expect(try await print(.verbose, [], endsLine: false) == "")
    }

    @Test func objects() async throws {
        let text = try await print(.format(OutputFormat(pieces: [.object])), Array("g\"\n€".utf8))
        #expect(text.hasSuffix(#","topic":"a/b","qos":0,"retain":true,"dup":true,"payload":"g\"\n€"}"#))
        let binary = try await print(.format(OutputFormat(pieces: [.object])), [0, 0xff], qos: .exactlyOnce)
        #expect(binary.hasSuffix(#""qos":2,"retain":true,"dup":true,"packetID":7,"payloadBase64":"AP8="}"#))
        var parser = JSONParser(Array(binary.utf8))
        #expect(throws: Never.self) { try parser.parse() }
    }

    @Test func embeddedJSON() async throws {
        let payload = Array(#"{ "a" : [1, 2.0, {}], "b c": "\" :" }"#.utf8)
        let text = try await print(.format(OutputFormat("%J")), payload)
        #expect(text.hasSuffix(#","payloadlen":\#(payload.count),"payload":{"a":[1,2.0,{}],"b c":"\" :"}}"#))
        let pretty = try await print(.format(OutputFormat("%J")), Array(#"{"a":[1,2]}"#.utf8), isPretty: true)
        #expect(pretty.hasSuffix("\t\"payload\":\t{\n\t\t\"a\":\t[1, 2]\n\t}\n}"))
    }

    /// A character may stand across two chunks.
    @Test(arguments: [("aé", 1), ("a€", 2), ("a\u{1F600}", 3), ("é€", 0), ("abc", 0)])
    func incompleteTails(text: String, missing: Int) {
        let bytes = Array(text.utf8)
        #expect(MessageBody.incompleteTail(bytes) == 0)
        if missing > 0 { #expect(MessageBody.incompleteTail(bytes.dropLast()) == missing) }
    }

    @Test func spoolsBeyondItsLimit() throws {
        var spool = Spool(memoryLimit: 10)
        try spool.append([1, 2, 3])
        guard case .memory = spool.content else {
            Issue.record("three bytes are kept in memory")
            return
        }
        try spool.append(Array(4...20))
        guard case .file = spool.content else {
            Issue.record("twenty bytes are in a file")
            return
        }
        #expect(spool.count == 20)
        #expect(try spool.read(at: 0, count: 100) == Array(1...20))
        #expect(try spool.read(at: 18, count: 1) == [19])
    }
}
