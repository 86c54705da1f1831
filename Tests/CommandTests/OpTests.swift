import MQTT
import Testing

@testable import mqttc

/// What is refused before a client sees it, and what is not.
@Suite struct OpTests {
    private func op(_ text: String) throws -> Op {
        var parser = JSONParser(Array(text.utf8))
        guard case .object(let object) = try parser.parse() else { throw PipeFailure.denied("not an object") }
        return try Op(id: 1, object)
    }

    private func failure(_ text: String) -> PipeFailure.Name? {
        do {
            _ = try op(text)
            return nil
        } catch let failure as PipeFailure {
            return failure.name
        } catch {
            Issue.record("\(error) for \(text)")
            return nil
        }
    }

    private func connect(_ more: String) -> String {
        #"{"op":"connect","host":"h","port":1883,"clientID":"c""# + (more.isEmpty ? "" : ",") + more + "}"
    }

    @Test(arguments: [
        "", #""cleanSession":true"#, #""clientID":"","cleanSession":true"#, #""keepAlive":65535"#, #""keepAlive":5.0"#,
        #""cleanStart":true"#,
        #""username":"u""#, #""username":"u","password":"p""#, #""username":"u","passwordBase64":"AAE=""#, #""username":"","password":"""#,
        #""will":{"topic":"t"}"#, #""will":{"topic":"t","payload":"p","qos":2,"retain":true,"properties":{}}"#, #""session":"resume""#,
        #""atLeastOnceMax":1,"exactlyOnceMax":10000"#, #""pauseTimeout":0.5"#, #""reconnectMin":0.05,"reconnectMax":0.05"#,
        #""reconnectMin":30"#, #""reconnectMax":0.01"#, #""receive":"pull""#, #""receive":"auto""#, #""maximumPacketSize":100"#,
        #""maximumPacketSize":4294967295"#, #""unknown":[{}]"#, #""properties":{}"#, #""version":"3.1.1""#, #""pauseTimeout":1e300"#,
    ])
    func connectAccepted(fields: String) {
        #expect(failure(connect(fields)) == nil)
    }

    @Test(arguments: [
        #""clientID":"""#, #""clientID":"a\u0000""#, #""clientID":5"#, #""clientID":null"#, #""cleanSession":1"#, #""cleanSession":"true""#,
        #""keepAlive":65536"#, #""keepAlive":-1"#, #""keepAlive":1.5"#, #""keepAlive":"1""#, #""keepAlive":true"#, #""keepAlive":null"#,
        #""password":"p""#, #""passwordBase64":"AA==""#, #""username":"u","password":"p","passwordBase64":"AA==""#,
        #""username":"u","passwordBase64":"AA""#, #""username":"\u0000""#, #""username":"u","password":"\u0000""#, #""username":[]"#,
        #""will":{}"#, #""will":{"topic":""}"#, #""will":{"topic":"a/+"}"#, ##""will":{"topic":"#"}"##, #""will":{"topic":"a\u0000"}"#,
        #""will":{"topic":"t","qos":3}"#, #""will":{"topic":"t","qos":-1}"#, #""will":{"topic":"t","qos":"1"}"#, #""will":"t""#,
        #""will":{"topic":"t","retain":1}"#, #""will":{"topic":"t","payload":"p","payloadBase64":"AA=="}"#,
        #""will":{"topic":"t","delay":1}"#,
        #""will":{"topic":"t","properties":{"contentType":"x"}}"#, #""session":"old""#, #""session":1"#,
        #""store":"""#, #""store":1"#, #""version":"4""#, #""version":5"#,
        #""atLeastOnceMax":0"#, #""atLeastOnceMax":10001"#, #""exactlyOnceMax":0"#, #""exactlyOnceMax":1.5"#, #""exactlyOnceMax":null"#,
        #""pauseTimeout":-1"#, #""pauseTimeout":"1""#, #""pauseTimeout":true"#, #""reconnectMin":2,"reconnectMax":1"#,
        #""reconnectMin":-0.1"#,
        #""receive":"push""#, #""receive":null"#, #""maximumPacketSize":0"#, #""properties":{"receiveMaximum":1}"#, #""properties":[]"#,
        #""sessionExpiry":1"#, #""receiveMaximum":1"#, #""port":0"#, #""port":65536"#, #""port":"1883""#, #""host":"""#, #""unix":"/x""#,
        #""tls":true"#, #""tls":{"ca":1}"#, #""tls":{"cert":"/x"}"#, #""tls":{"key":"/x"}"#, #""websocket":1"#,
    ])
    func connectDenied(fields: String) {
        #expect(failure(connect(fields)) == .denied)
    }

    @Test(arguments: [#""version":"5.0""#])
    func connectUnsupported(fields: String) {
        #expect(failure(connect(fields)) == .unsupported)
    }

    @Test func connectLongTexts() {
        let most = String(repeating: "x", count: 65_535)
        for name in ["clientID", "username"] {
            #expect(failure(connect(#""\#(name)":"\#(most)""#)) == nil)
            #expect(failure(connect(#""\#(name)":"\#(most)x""#)) == .denied)
        }
        #expect(failure(connect(#""username":"u","password":"\#(most)x""#)) == .denied)
        #expect(failure(connect(#""username":"u","passwordBase64":"\#(Base64.encode([UInt8](repeating: 0, count: 65_536)))""#)) == .denied)
        #expect(failure(connect(#""username":"u","passwordBase64":"\#(Base64.encode([UInt8](repeating: 0, count: 65_535)))""#)) == nil)
        #expect(failure(connect(#""will":{"topic":"t","payload":"\#(most)"}"#)) == nil)
        #expect(failure(connect(#""will":{"topic":"t","payload":"\#(most)x"}"#)) == .denied)
        #expect(failure(connect(#""will":{"topic":"\#(most)x"}"#)) == .denied)
    }

    @Test func connectAddresses() {
        #expect(failure(#"{"op":"connect","clientID":"c"}"#) == .denied)
        #expect(failure(#"{"op":"connect","clientID":"c","port":1883}"#) == .denied)
        #expect(failure(#"{"op":"connect","clientID":"c","unix":"/tmp/s"}"#) == nil)
        #expect(failure(#"{"op":"connect","clientID":"c","unix":""}"#) == .denied)
        #expect(failure(#"{"op":"connect","clientID":"c","unix":"/\u0000"}"#) == .denied)
        #expect(failure(#"{"op":"connect","clientID":"c","host":"::1","port":1883}"#) == nil)
        #expect(failure(#"{"op":"connect","clientID":"c","host":"::1"}"#) == .denied)
    }

    @Test(arguments: [
        #""topic":"t""#, #""topic":"t","payload":"p""#, #""topic":"t","payload":"\u0000""#, #""topic":"t","payloadBase64":"AA==""#,
        #""topic":"t","payloadSize":0"#, #""topic":"t","payloadSize":268435452"#, #""topic":"t","payloadSize":268435450,"qos":1"#,
        #""topic":"t","qos":2.0,"retain":true"#, #""topic":"/""#, #""topic":"$x""#, #""topic":"t","properties":{}"#,
    ])
    func publishAccepted(fields: String) {
        #expect(failure(#"{"op":"publish",\#(fields)}"#) == nil)
    }

    @Test(arguments: [
        #""payload":"p""#, #""topic":"""#, #""topic":"a/+""#, ##""topic":"#""##, #""topic":"a\u0000b""#, #""topic":7"#, #""topic":null"#,
        #""topic":"t","qos":3"#, #""topic":"t","qos":-1"#, #""topic":"t","qos":1.5"#, #""topic":"t","qos":"1""#, #""topic":"t","qos":true"#,
        #""topic":"t","retain":1"#, #""topic":"t","payload":5"#, #""topic":"t","payloadBase64":"A""#, #""topic":"t","payloadSize":-1"#,
        #""topic":"t","payloadSize":1.5"#, #""topic":"t","payload":"","payloadSize":1"#, #""topic":"t","payload":"","payloadBase64":"""#,
        #""topic":"t","payloadSize":268435453"#, #""topic":"t","payloadSize":268435451,"qos":1"#, #""topic":"t","payloadSize":1e30"#,
        #""topic":"t","properties":{"topicAlias":1}"#, #""topic":"t","timeout":-1"#, #""topic":"t","timeout":"1""#,
        #""topic":"t","timeout":false"#,
    ])
    func publishDenied(fields: String) {
        #expect(failure(#"{"op":"publish",\#(fields)}"#) == .denied)
    }

    @Test(arguments: [
        #"[{"filter":"a/#","qos":1},{"filter":"+/b/+"}]"#, ##"[{"filter":"#","qos":0,"noLocal":false,"retainHandling":0}]"##,
        #"[{"filter":"/"}]"#,
    ])
    func subscribeAccepted(filters: String) {
        #expect(failure(#"{"op":"subscribe","filters":\#(filters)}"#) == nil)
    }

    @Test(arguments: [
        "[]", "{}", "null", #""a""#, #"["a"]"#, "[{}]", "[1]", #"[{"filter":""}]"#, ##"[{"filter":"a#"}]"##, ##"[{"filter":"#/a"}]"##,
        #"[{"filter":"a+"}]"#,
        #"[{"filter":"+a"}]"#, #"[{"filter":"a\u0000"}]"#, #"[{"filter":"a","qos":3}]"#, #"[{"filter":"a","qos":null}]"#,
        #"[{"filter":5}]"#,
        #"[{"filter":"a"},{"filter":"b/#/c"}]"#, #"[{"filter":"a","noLocal":true}]"#, #"[{"filter":"a","retainHandling":1}]"#,
    ])
    func subscribeDenied(filters: String) {
        #expect(failure(#"{"op":"subscribe","filters":\#(filters)}"#) == .denied)
    }

    @Test func otherOps() {
        #expect(failure(#"{"op":"unsubscribe","filters":["a/#"]}"#) == nil)
        for filters in ["[]", #"[""]"#, ##"["a#"]"##, #"[{"filter":"a"}]"#, "[null]", "7"] {
            #expect(failure(#"{"op":"unsubscribe","filters":\#(filters)}"#) == .denied)
        }
        #expect(failure(#"{"op":"unsubscribe"}"#) == .denied)
        for name in ["ping", "next", "disconnect", "close"] { #expect(failure(#"{"op":"\#(name)","timeout":0}"#) == nil) }
        #expect(failure(#"{"op":"disconnect","reasonCode":4}"#) == .denied)
        #expect(failure(#"{"op":"auth","reasonCode":24}"#) == .unsupported)
        #expect(failure(#"{"op":"fly"}"#) == .unsupported)
        #expect(failure("{}") == .denied)
        #expect(failure(#"{"op":1}"#) == .denied)
    }

    @Test func timeouts() throws {
        #expect(try op(#"{"op":"ping","timeout":0}"#).isExpired)
        #expect(try op(#"{"op":"ping","timeout":-0.0}"#).isExpired)
        #expect(try op(#"{"op":"ping","timeout":1e-30}"#).isExpired == false)
        #expect(try op(#"{"op":"ping","timeout":0.25}"#).timeout == .milliseconds(250))
        #expect(try op(#"{"op":"ping"}"#).timeout == nil)
        #expect(failure(#"{"op":"ping","timeout":1e400}"#) == nil)
    }
}
