// The rules of strings, byte by byte, where a broker's text is read: the topic of PUBLISH.
import MQTTCore
import Testing

struct TextTests {
    static let wellFormed: [[UInt8]] = [
        [0x01], [0x7F], [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xE1, 0x80, 0x80], [0xEC, 0xBF, 0xBF],
        [0xED, 0x80, 0x80], [0xED, 0x9F, 0xBF],  // U+D7FF
        [0xEE, 0x80, 0x80],  // U+E000
        [0xEF, 0xBF, 0xBF],  // U+FFFF
        [0xF0, 0x90, 0x80, 0x80], [0xF1, 0x80, 0x80, 0x80], [0xF3, 0xBF, 0xBF, 0xBF],
        [0xF4, 0x8F, 0xBF, 0xBF],  // U+10FFFF
        [0xEF, 0xBB, 0xBF],  // U+FEFF alone
        [0x41, 0xF0, 0xAA, 0x9B, 0x94],  // figure 1.2: A and U+2A6D4
        [0xEF, 0xB7, 0x90],  // U+FDD0, a noncharacter: a warning of the standard, not a rule
    ]

    static let malformed: [[UInt8]] = [
        [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x41], [0xC2, 0xC0], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
        [0xE0, 0xA0], [0xE1, 0x80], [0xE1, 0x80, 0x41], [0xE1, 0xC0, 0x80],
        [0xED, 0xA0, 0x80],  // U+D800
        [0xED, 0xAF, 0xBF], [0xED, 0xB0, 0x80],
        [0xED, 0xBF, 0xBF],  // U+DFFF
        [0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80],  // a pair of surrogates
        [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x90, 0x80], [0xF0, 0x90], [0xF0], [0xF1, 0x80, 0x80, 0xC0],
        [0xF1, 0x80, 0x41, 0x80],
        [0xF4, 0x90, 0x80, 0x80],  // U+110000
        [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFC], [0xFE], [0xFF],
    ]

    private func surrounded(_ text: [UInt8]) -> [[UInt8]] { [text, [0x61] + text, text + [0x62], [0x61] + text + [0x62]] }

    @Test(arguments: wellFormed) func wellFormedTextIsKept(text: [UInt8]) throws {
        for topic in surrounded(text) {
            guard case .publish(_, let kept, _) = try decode(publishBytes(0x30, topic, [0x80])) else {
                Issue.record("not a PUBLISH")
                return
            }
            #expect(kept == topic)
        }
    }

    @Test(arguments: malformed) func malformedTextIsAViolation(text: [UInt8]) {
        for topic in surrounded(text) {
            // The payload begins with continuation bytes: a check that reads on behind the topic would take them.
            #expect(violation(publishBytes(0x30, topic, [0x80, 0x80, 0x80])) == .malformedText)
        }
    }

    @Test func nullIsAViolationAnywhere() {
        for topic in surrounded([0x00]) { #expect(violation(publishBytes(0x30, topic)) == .nullCharacter) }
    }

    /// Against the standard library, over all pairs and many triples and quadruples of bytes.
    @Test func agreesWithSwiftAboutWellFormedness() {
        func check(_ text: [UInt8]) {
            let expected = String(validating: text, as: UTF8.self) != nil
            let found = UTF8Rules.violation(in: text.span, 0..<text.count) == nil
            if expected != found { Issue.record("\(text)") }
        }
        for first: UInt8 in 1...0xFF {
            check([first])
            for second: UInt8 in 1...0xFF { check([first, second]) }
        }
        let edges: [UInt8] = [0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xF5, 0xFF]
        for first: UInt8 in 0xC0...0xFF {
            for second in edges {
                for third in edges {
                    check([first, second, third])
                    for fourth in edges { check([first, second, third, fourth]) }
                }
            }
        }
    }

    @Test func theRangeBoundsTheCheck() {
        let bytes: [UInt8] = [0x00, 0xC3, 0xA9, 0x00]
        #expect(UTF8Rules.violation(in: bytes.span, 1..<3) == nil)
        #expect(UTF8Rules.violation(in: bytes.span, 1..<2) == .malformedText)
        #expect(UTF8Rules.violation(in: bytes.span, 2..<3) == .malformedText)
        #expect(UTF8Rules.violation(in: bytes.span, 1..<1) == nil)
    }
}
