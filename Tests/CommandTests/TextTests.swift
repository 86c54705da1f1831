import MQTT
import Testing

@testable import mqttc

/// Base64, SHA-256 and lines, by published vectors.
@Suite struct Base64Tests {
    // RFC 4648 section 10, and all that a byte can be.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func vectors(plain: String, text: String) {
        #expect(Base64.encode(Array(plain.utf8)) == text)
        #expect(Base64.decode(text) == Array(plain.utf8))
    }

    @Test func everyByte() {
        for count in 0..<260 {
            let data = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
            #expect(Base64.decode(Base64.encode(data)) == data)
        }
        #expect(Base64.encode([0xfb, 0xff, 0xbf]) == "+/+/")
    }

    @Test(arguments: [
        "Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zh==", "Zm9=", "Zm8", " Zg==", "Zg==\n", "Zg==Zg==", "Zm9v=", "-_-_", "Zg=A",
        "Zm\u{f6}v", "Zm 9v", "Zm9v====", "=Zm8",
    ])
    func malformed(text: String) {
        #expect(Base64.decode(text) == nil)
    }
}

@Suite struct SHA256Tests {
    private func digest(_ bytes: [UInt8], pieces: Int) -> String {
        var digest = SHA256()
        var at = 0
        while at < bytes.count {
            let end = min(at + pieces, bytes.count)
            digest.update(Array(bytes[at..<end]).span)
            at = end
        }
        return digest.finish()
    }

    // FIPS 180-2 appendix B, and the empty message of the NIST test suite.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        ),
    ])
    func vectors(text: String, expected: String) {
        for pieces in [1, 3, 63, 64, 65, 1000] { #expect(digest(Array(text.utf8), pieces: pieces) == expected) }
    }

    @Test func millionTimesA() {
        let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        #expect(digest(bytes, pieces: 4099) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }
}

@Suite struct LineSplitterTests {
    private func lines(_ chunks: [String], limit: Int) -> [LineSplitter.Line] {
        var splitter = LineSplitter(limit: limit)
        var lines: [LineSplitter.Line] = []
        for chunk in chunks { splitter.feed(Array(chunk.utf8)[...]) { lines.append($0) } }
        return lines
    }

    private func whole(_ text: String) -> LineSplitter.Line { .whole(Array(text.utf8)) }
    private func tooLong(_ text: String) -> LineSplitter.Line { .tooLong(Array(text.utf8)) }

    @Test func splits() {
        #expect(lines(["a\nb", "c\n", "\n", "d"], limit: 10) == [whole("a"), whole("bc"), whole("")])
        #expect(lines(["a\r\n"], limit: 10) == [whole("a\r")])
        #expect(lines([], limit: 10).isEmpty)
    }

    @Test func keepsStepAfterALongLine() {
        let expected = [whole("abc"), tooLong("abc"), whole("x"), tooLong("123"), whole("yz")]
        #expect(lines(["abc\nabcd\nx\n12", "34", "56\nyz\n"], limit: 3) == expected)
    }
}

@Suite struct PatternPayloadTests {
    @Test(arguments: [(0, 10), (250, 3), (251, 1), (1000, 600), (268_435_000, 400)])
    func bytes(offset: Int, count: Int) {
        let expected = (offset..<offset + count).map { UInt8($0 % 251) }
        #expect(PatternPayload(count: 268_435_455).bytes(at: offset, count: count) == expected)
    }
}

/// The line that `pub` draws while it takes long.
@Suite struct PublishProgressTests {
    @Test func lines() {
        let progress = PublishProgress()
        for _ in 0..<2_000 { progress.accepted(10) }
        for _ in 0..<500 { progress.completed() }
        #expect(progress.text(after: .seconds(2)) == "2,000 messages, 19.5 KiB, 1,000/s, 1,500 of them under way")
        for _ in 0..<1_500 { progress.completed() }
        #expect(progress.text(after: .seconds(2)) == "2,000 messages, 19.5 KiB, 1,000/s")
    }

    @Test func outboxes() {
        let progress = PublishProgress(counting: .completed)
        progress.accepted(10)
        // Of an earlier run too.
        for _ in 0..<3 { progress.completed() }
        #expect(progress.text(after: .seconds(1)) == "3 messages, 10 B, 3/s")
    }

    @Test func largePayloads() {
        let progress = PublishProgress()
        progress.read(upTo: 1 << 20, of: 4 << 20)
        #expect(progress.text(after: .seconds(1)).hasPrefix("25 % of "))
    }
}
