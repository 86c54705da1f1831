import MQTT
import MQTTTesting
import Testing

@testable import mqttc

/// Whole scripts against the embedded broker.
@Suite(.timeLimit(.minutes(1))) struct PipeWithBrokerTests {
    /// Runs ops, each after the reply to the one before, and gives all lines that came.
    private func run(_ ops: [String]) async throws -> [String] {
        let broker = try await TestBroker.start()
        let pipe = OutputPipe()
        let session = PipeSession(LineWriter(pipe.writer))
        var lines: [String] = []
        for (index, op) in ops.enumerated() {
            let text = op.replacing("PORT", with: "\(broker.port)")
            session.take(.whole(Array("{\"id\":\(index),\(text)}".utf8)))
            let reply = "{\"id\":\(index),"
            repeat {
                lines += await Task.detached { pipe.readLines(1) }.value
            } while lines.last?.hasPrefix(reply) != true
        }
        await session.endOfInput()
        pipe.closeWriter()
        lines += pipe.readLines(.max)
        pipe.closeReader()
        try await broker.stop()
        return lines
    }

    private let connect = #""op":"connect","host":"127.0.0.1","port":PORT,"clientID":"c","cleanSession":true"#

    private func message(_ payload: String, qos: Int) -> String {
        let text = Base64.encode(Array(payload.utf8))
        return #"{"event":"message","topic":"a/b","payloadBase64":"\#(text)","qos":\#(qos),"retain":false,"dup":false}"#
    }

    @Test func publishesAtEachLevel() async throws {
        let lines = try await run([
            connect, #""op":"subscribe","filters":[{"filter":"a/#","qos":2},{"filter":"b","qos":1}]"#,
            #""op":"publish","topic":"a/b","payload":"zero""#, #""op":"publish","topic":"a/b","payload":"one","qos":1"#,
            #""op":"publish","topic":"a/b","payload":"two","qos":2"#, #""op":"ping""#, #""op":"disconnect""#, #""op":"ping""#,
        ])
        #expect(lines.contains(#"{"event":"online","sessionPresent":false}"#))
        #expect(lines.contains(#"{"id":0,"ok":true,"sessionPresent":false}"#))
        #expect(lines.contains(#"{"id":1,"ok":true,"granted":[2,1]}"#))
        for id in [2, 3, 4, 5, 6] { #expect(lines.contains(#"{"id":\#(id),"ok":true}"#)) }
        #expect(!lines.contains(#"{"event":"accepted","id":2}"#))
        for id in [3, 4] {
            let accepted = try #require(lines.firstIndex(of: #"{"event":"accepted","id":\#(id)}"#))
            let reply = try #require(lines.firstIndex(of: #"{"id":\#(id),"ok":true}"#))
            #expect(accepted < reply)
        }
        let messages = lines.filter { $0.contains("\"message\",") }
        #expect(messages == [message("zero", qos: 0), message("one", qos: 1), message("two", qos: 2)])
        #expect(lines.last?.hasPrefix(#"{"id":7,"ok":false,"error":"closed""#) == true)
        #expect(!lines.contains { $0.contains("offline") })
    }

    @Test func deliversOnlyWhenAsked() async throws {
        let lines = try await run([
            connect + #","receive":"pull""#, #""op":"subscribe","filters":[{"filter":"a/b","qos":1}]"#,
            #""op":"publish","topic":"a/b","payload":"1","qos":1"#, #""op":"publish","topic":"a/b","payload":"2","qos":1"#,
            #""op":"next","timeout":0"#, #""op":"next""#, #""op":"next""#, #""op":"next","timeout":0.01"#, #""op":"close""#,
        ])
        let first = try #require(lines.firstIndex(of: message("1", qos: 1)))
        let second = try #require(lines.firstIndex(of: message("2", qos: 1)))
        #expect(lines.filter { $0.contains(#""event":"message""#) }.count == 2)
        #expect(lines[first + 1] == #"{"id":5,"ok":true}"#)
        #expect(lines[second + 1] == #"{"id":6,"ok":true}"#)
        for id in [4, 7] { #expect(lines.contains { $0.hasPrefix(#"{"id":\#(id),"ok":false,"error":"timeout""#) }) }
        #expect(lines.last == #"{"id":8,"ok":true}"#)
    }

    @Test func timeoutOfZeroSendsNothing() async throws {
        let lines = try await run([
            connect, #""op":"publish","topic":"a","timeout":0"#, #""op":"publish","topic":"a","qos":2,"timeout":0"#,
            #""op":"subscribe","filters":[{"filter":"a"}],"timeout":0"#, #""op":"ping","timeout":0"#, #""op":"disconnect","timeout":0"#,
            #""op":"close","timeout":0"#, #""op":"connect","host":"h","clientID":"c","timeout":0"#, #""op":"ping""#,
        ])
        for id in 1...6 { #expect(lines.contains { $0.hasPrefix(#"{"id":\#(id),"ok":false,"error":"canceled""#) }) }
        #expect(lines.contains { $0.hasPrefix(#"{"id":7,"ok":false,"error":"denied""#) })
        #expect(!lines.contains { $0.contains("accepted") })
        #expect(lines.last == #"{"id":8,"ok":true}"#)
    }

    @Test func bigPayloads() async throws {
        let size = 3 << 20
        let lines = try await run([
            connect + #","receive":"pull""#, #""op":"subscribe","filters":[{"filter":"a/b","qos":1}]"#,
            #""op":"publish","topic":"a/b","payloadSize":\#(size),"qos":1"#, #""op":"next""#, #""op":"close""#,
        ])
        var digest = SHA256()
        digest.update(PatternPayload(count: size).bytes(at: 0, count: size).span)
        let expected =
            #"{"event":"bigMessage","topic":"a/b","size":\#(size),"sha256":"\#(digest.finish())","qos":1,"retain":false,"dup":false}"#
        #expect(lines.contains(expected))
    }

    @Test(arguments: [QoS.atLeastOnce, .exactlyOnce]) func demonstration(qos: QoS) async throws {
        let broker = try await TestBroker.start()
        let result = try await DemoRound(broker: broker, qos: qos).run()
        #expect(result.ledger.holds)
        #expect(result.ledger.sent > 0 && result.cuts > 0)
        try await broker.stop()
    }
}
