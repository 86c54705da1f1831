import Testing

@testable import mqttc

/// The lines that are answered without any client.
@Suite struct PipeSessionTests {
    private func answer(_ bytes: [UInt8]) -> String {
        let pipe = OutputPipe()
        defer {
            pipe.closeReader()
            pipe.closeWriter()
        }
        let session = PipeSession(LineWriter(pipe.writer))
        var splitter = LineSplitter(limit: PipeSession.lineLimit)
        splitter.feed((bytes + [UInt8(ascii: "\n")])[...]) { session.take($0) }
        return pipe.readLines(1).first ?? "nothing"
    }

    private func answer(_ text: String) -> String { answer(Array(text.utf8)) }

    @Test(arguments: [
        "", " ", "x", "5", "null", "[]", #"[{"id":1}]"#, "{}", #"{"op":"ping"}"#, #"{"id":"1","op":"ping"}"#, #"{"id":1.5,"op":"ping"}"#,
        #"{"id":null,"op":"ping"}"#, #"{"id":true,"op":"ping"}"#, #"{"id":1e30,"op":"ping"}"#, #"{"id":1,"op":"ping""#,
        #"{"id":1} {"id":2}"#,
    ])
    func deniedWithoutID(text: String) {
        #expect(answer(text).hasPrefix(#"{"id":null,"ok":false,"error":"denied","message":""#), "\(text)")
    }

    @Test(arguments: [
        #"{"id":7,"op":"publish","topic":"\ud800"}"#, #"{"x":"\udc00","id":7}"#, #"{"id":7.0,"\ud800":1}"#, #"{"id":7,"op":null}"#,
        #"{"id":7,"x":["\ud800\u0041"]}"#, #"{"id":7}"#,
    ])
    func deniedWithID(text: String) {
        #expect(answer(text).hasPrefix(#"{"id":7,"ok":false,"error":"denied","message":""#), "\(text)")
    }

    @Test func invalidUTF8() {
        let reply = answer(Array(#"{"id":7,"op":"ping","x":""#.utf8) + [0xff] + Array(#""}"#.utf8))
        #expect(reply.hasPrefix(#"{"id":7,"ok":false,"error":"denied""#))
    }

    @Test func longestLine() {
        let frame = #"{"id":7,"op":"ping","x":""}"#
        let filling = String(repeating: "x", count: PipeSession.lineLimit - frame.utf8.count)
        #expect(answer(frame.dropLast(2) + filling + "\"}").hasPrefix(#"{"id":7,"ok":false,"error":"closed""#))
        #expect(answer(frame.dropLast(2) + filling + "x\"}").hasPrefix(#"{"id":7,"ok":false,"error":"denied""#))
    }

    @Test(arguments: [
        ("ping", "closed"), ("next", "closed"), ("disconnect", "closed"), ("auth", "unsupported"), ("fly", "unsupported"),
        ("publish", "denied"), ("subscribe", "denied"), ("unsubscribe", "denied"), ("connect", "denied"),
    ])
    func withoutClient(op: String, error: String) {
        #expect(answer(#"{"id":3,"op":"\#(op)"}"#).hasPrefix(#"{"id":3,"ok":false,"error":"\#(error)""#))
    }

    @Test func validOpsWithoutClient() {
        #expect(answer(#"{"id":3,"op":"publish","topic":"t"}"#).contains("closed"))
        #expect(answer(#"{"id":3,"op":"subscribe","filters":[{"filter":"a"}]}"#).contains("closed"))
        #expect(answer(#"{"id":3,"op":"close"}"#) == #"{"id":3,"ok":true}"#)
        #expect(answer(#"{"id":3,"op":"connect","host":"h","port":1,"clientID":"c","timeout":0}"#).contains("canceled"))
    }
}
