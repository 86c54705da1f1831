import ArgumentParser
import MQTT
import Testing

@testable import mqttc

/// The command line is bytes: payloads come through as they are, and nothing else is altered in silence.
@Suite struct ArgumentTextTests {
    private func words(_ arguments: [UInt8]...) throws -> [String] { try ArgumentText.words(arguments) }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func textStaysAsItIs() throws {
        #expect(try words(bytes("pub"), bytes("-m"), bytes("grüße €")) == ["pub", "-m", "grüße €"])
    }

    @Test(
        arguments: [
            [], [0x78, 0xff, 0xfe, 0x79], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0x80, 0x80], Array("\u{10fffe}ÿ\u{10fffe}".utf8),
            Array(1...255), Array("ab\u{10fffe}".utf8) + [0xff],
        ] as [[UInt8]])
    func anyBytesComeBack(value: [UInt8]) throws {
        #expect(ArgumentText.bytes(ArgumentText.text(value)) == value)
        let usual = try #require(try Pub.parse(words(bytes("-t"), bytes("a"), bytes("-m"), value)) as Pub?)
        #expect(usual.message.map(\.bytes) == [value])
        let joined = try #require(try Pub.parse(words(bytes("-t"), bytes("a"), bytes("--message=") + value)) as Pub?)
        #expect(joined.message.map(\.bytes) == [value])
    }

    @Test func passwordsAndWillsToo() throws {
        let value: [UInt8] = [0xff, 0x41]
        let line = try words(
            bytes("-t"), bytes("a"), bytes("-m"), bytes("x"), bytes("-u"), bytes("me"), bytes("-P"), value, bytes("--will-topic"),
            bytes("w"), bytes("--will-payload"), value)
        let pub = try #require(try Pub.parse(line) as Pub?)
        let configuration = try pub.connection.configuration()
        #expect(configuration.password == value)
        #expect(configuration.will?.payload == value)
        #expect(CommandWords.secret("?A", "-P") == 0..<2)
    }

    @Test func anythingElseIsRefused() {
        #expect(throws: CommandWords.Failure(message: #"argument 3 is not valid UTF-8: b/\xff"#)) {
            try words(bytes("pub"), bytes("-t"), bytes("b/") + [0xff], bytes("-m"), bytes("x"))
        }
        // It is a value here, not an option with a value of its own.
        #expect(throws: CommandWords.Failure.self) { try words(bytes("pub"), bytes("-t"), bytes("-m"), [0xff]) }
    }

    @Test(arguments: [(7, "U+0007"), (0x7f, "U+007F"), (0xffff, "U+FFFF"), (0x1fffe, "U+1FFFE"), (0xfdd0, "U+FDD0")] as [(UInt32, String)])
    func advisesAgainstTopics(value: UInt32, name: String) throws {
        let character = Character(try #require(Unicode.Scalar(value)))
        #expect(TopicName.advice("a/\(character)b")?.contains(name) == true)
        #expect(TopicName.advice("a/ü/€/\u{fffd}") == nil)
    }

    @Test(arguments: [
        ["-m", "x", "-m", "y"], ["-f", "x", "-f", "y"], ["-m", "x", "-f", "y"], ["-n", "-n"], ["-l", "-l"], ["-s", "-l"],
        ["-m", "x", "-s"],
    ])
    func whatIsPublishedIsSaidOnce(words: [String]) {
        #expect(throws: (any Error).self) { try Pub.parse(["-t", "a"] + words) }
    }

    @Test(arguments: [
        ("-k -1", "-k is 0 to 65535 seconds."), ("--repeat -1", "--repeat is 1 to 4000000000."),
        ("-W -5", "-W is more than 0, and at most 1000000 seconds."), ("-W 1e300", "-W is more than 0, and at most 1000000 seconds."),
        ("-W nan", "-W is more than 0, and at most 1000000 seconds."), ("-W inf", "-W is more than 0, and at most 1000000 seconds."),
        ("-M 0", "-M is 1 to 49152."), ("--repeat-delay -1", "--repeat-delay is 0 to 1000000 seconds."),
        ("-q -1", "The QoS is 0, 1 or 2."), ("-p -1", "The port is 1 to 65535."),
    ])
    func numbersOutOfRangeAreToldTheRange(line: String, message: String) {
        do {
            _ = try Pub.parse(["-t", "a", "-m", "x"] + line.split(separator: " ").map(String.init))
            Issue.record("it was taken")
        } catch {
            #expect(Pub.message(for: error).contains(message))
        }
    }
}
