import Testing

@testable import mqttc

/// The JSON parser and writer, by table.
@Suite struct JSONTests {
    private func parse(_ text: String) throws -> JSON {
        var parser = JSONParser(Array(text.utf8))
        return try parser.parse()
    }

    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("7", 7), ("-7", -7), ("5.0", 5), ("5.000", 5), ("1e3", 1000), ("1E+3", 1000), ("12e-1e", nil),
            ("120e-1", 12), ("1.5e1", 15), ("-2.50e2", -250), ("0.0", 0), ("0e99999999999999999999", 0), ("0.001e3", 1),
            ("9223372036854775807", .max), ("-9223372036854775808", .min), ("1000e-3", 1), ("100000000000000000000e-20", 1),
        ] as [(String, Int64?)])
    func integers(text: String, value: Int64?) throws {
        if let value {
            #expect(try parse(text) == .integer(value))
        } else {
            #expect(throws: JSONError.self) { try parse(text) }
        }
    }

    @Test(
        arguments: [
            ("1.5", 1.5), ("-0.25", -0.25), ("9223372036854775808", 9_223_372_036_854_775_808), ("12e-1", 1.2),
            ("-9223372036854775809", -9_223_372_036_854_775_808), ("1e400", .infinity), ("-1e400", -.infinity), ("1e-400", 0),
            ("1e999999999999999999999999", .infinity), ("1e-999999999999999999999999", 0), ("1e20", 1e20),
        ] as [(String, Double)])
    func otherNumbers(text: String, value: Double) throws {
        #expect(try parse(text) == .number(value))
    }

    @Test(arguments: [
        "", " ", "01", "-", "+1", ".5", "5.", "1e", "1e+", "0x10", "NaN", "Infinity", "-Infinity", "--1", "1 2", "tru", "True",
        "nul", "nulll", "{", "}", "[", "]", "[1,]", "[,1]", "{\"a\":1,}", "{a:1}", "{'a':1}", "{\"a\"}", "{\"a\":}", "{\"a\":1 \"b\":2}",
        "{1:2}", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u\"", "\"a\nb\"", "\"\u{1f}\"", "\"a\"b", "[1}", "{\"a\":1]",
        "// c", "/**/1", "\u{feff}1", "\u{a0}1", "1,", "\"\\ud83d\\u12\"", "\"\\uff11\\u00１0\"",
    ])
    func malformed(text: String) {
        #expect(throws: JSONError.self) { try parse(text) }
    }

    @Test(arguments: [
        (#""""#, ""), (#""a\"\\\/\b\f\n\r\tz""#, "a\"\\/\u{8}\u{c}\n\r\tz"), (#""\u0041\u00e9\u20ac""#, "Aé€"),
        (#""\ud83d\ude00""#, "😀"), (#""\uD83D\uDE00x""#, "😀x"), ("\"😀\u{7f}é\"", "😀\u{7f}é"), (#""\u0000""#, "\0"),
        (#""\uffff""#, "\u{ffff}"),
    ])
    func strings(text: String, value: String) throws {
        var parser = JSONParser(Array(text.utf8))
        let parsed = try parser.parse()
        #expect(parsed == .string(value))
        #expect(!parser.hasInvalidText)
    }

    @Test(arguments: [
        #""\ud800""#, #""\udc00""#, #""\ud800\ud800""#, #""\ud800x""#, #""\ude00\ud83d""#, #""\ud83d\n""#, #""\ud800\u0041""#,
        #"{"\ud800":1}"#, #"[["\udfff"]]"#,
    ])
    func loneSurrogates(text: String) throws {
        var parser = JSONParser(Array(text.utf8))
        _ = try parser.parse()
        #expect(parser.hasInvalidText)
    }

    @Test func loneSurrogateKeepsWhatFollows() throws {
        #expect(try parse(#""\ud800\u0041""#) == .string("\u{fffd}A"))
        #expect(try parse(#""\ud83d\n""#) == .string("\u{fffd}\n"))
    }

    @Test(
        arguments: [
            [0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80], [0xe2, 0x82], [0xf0, 0x80, 0x80, 0xaf],
        ] as [[UInt8]])
    func invalidUTF8(bytes: [UInt8]) throws {
        for quoted in [[0x22] + bytes + [0x22], [0x22, 0x5c, 0x6e] + bytes + [0x22]] {
            var parser = JSONParser(quoted)
            _ = try parser.parse()
            #expect(parser.hasInvalidText)
        }
        var bare = JSONParser(bytes)
        #expect(throws: JSONError.self) { try bare.parse() }
    }

    @Test func structure() throws {
        let parsed = try parse(" { \"a\" : [ 1 , true , null , { } , [ ] ] ,\t\"b\":\"c\"\r\n} ")
        guard case .object(let object) = parsed else {
            Issue.record("not an object")
            return
        }
        #expect(object["a"] == .array([.integer(1), .bool(true), .null, .object(JSONObject()), .array([])]))
        #expect(object["b"] == .string("c"))
        #expect(object["c"] == nil)
    }

    @Test func lastOfRepeatedNames() throws {
        guard case .object(let object) = try parse(#"{"a":1,"a":2,"a":3}"#) else {
            Issue.record("not an object")
            return
        }
        #expect(object["a"] == .integer(3))
    }

    @Test func depth() throws {
        let limit = JSONParser.depthLimit
        #expect(throws: Never.self) { try parse(String(repeating: "[", count: limit) + String(repeating: "]", count: limit)) }
        #expect(throws: JSONError.tooDeep) { try parse(String(repeating: "[", count: 1_000_000)) }
        #expect(throws: JSONError.tooDeep) { try parse(String(repeating: "{\"a\":", count: 100_000)) }
        var parser = JSONParser(Array((#"{"id":5,"x":"# + String(repeating: "[", count: 1000)).utf8))
        #expect(throws: JSONError.tooDeep) { try parser.parse() }
        #expect(parser.identifier == .integer(5))
    }

    /// No prefix and no single changed byte of a line may trap.
    @Test func damagedLines() {
        let line = Array(#"{"id":-1.5e3,"op":"pub\u00e9\ud83d\ude00","x":[true,{"y":null}],"z":"\\"}"#.utf8)
        for index in line.indices {
            var prefix = JSONParser(Array(line[..<index]))
            #expect(throws: JSONError.self) { try prefix.parse() }
            for byte in UInt8.min...UInt8.max {
                var damaged = line
                damaged[index] = byte
                var parser = JSONParser(damaged)
                _ = try? parser.parse()
            }
        }
    }

    @Test func lineOut() {
        var line = JSONLine()
        line.add("a", -1)
        line.add("b", true)
        line.add("c", "q\"\\\n\u{1}é😀")
        line.addNull("d")
        line.add("e", base64: [0xff, 0xfe])
        line.add("f", [1, 2])
        line.add("g", ["x", "y"])
        line.add("h", [Int]())
        let expected = #"{"a":-1,"b":true,"c":"q\"\\\u000a\u0001é😀","d":null,"e":"//4=","f":[1,2],"g":["x","y"],"h":[]}"# + "\n"
        #expect(String(decoding: line.finish(), as: UTF8.self) == expected)
    }
}
