#if WebSocket
    import MQTTCore
    import NIOCore
    import Testing

    @testable import MQTTTransport

    /// Frames by the examples and rules of RFC 6455.
    @Suite struct WebSocketFrameTests {
        private func decode(_ bytes: [UInt8], chunk: Int = .max) throws(WebSocketDecoder.Violation) -> [WebSocketDecoder.Part] {
            var decoder = WebSocketDecoder()
            var parts: [WebSocketDecoder.Part] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                var input = ByteBuffer(bytes: rest.prefix(chunk))
                rest = rest.dropFirst(chunk)
                while let part = try decoder.next(&input) { parts.append(part) }
                #expect(input.readableBytes == 0)
            }
            return parts
        }

        private func stream(_ parts: [WebSocketDecoder.Part]) -> [UInt8] {
            parts.flatMap { part -> [UInt8] in if case .data(let buffer) = part { Array(buffer.readableBytesView) } else { [] } }
        }

        /// An unmasked frame, as servers send them.
        private func frame(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
            var frame = ByteBuffer(bytes: [first])
            switch payload.count {
            case ...125: frame.writeInteger(UInt8(payload.count))
            case ...0xFFFF:
                frame.writeInteger(126 as UInt8)
                frame.writeInteger(UInt16(payload.count))
            default:
                frame.writeInteger(127 as UInt8)
                frame.writeInteger(UInt64(payload.count))
            }
            return Array(frame.readableBytesView) + payload
        }

        @Test("A masked frame is the one of section 5.7")
        func masked() {
            let frame = WebSocketEncoder.frame(.binary, ByteBuffer(string: "Hello"), key: 0x37fa_213d)
            #expect(Array(frame.readableBytesView) == [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58])
        }

        @Test("Payloads of all lengths are masked whole", arguments: Array(0...20) + [125, 126, 127, 65_535, 65_536, 70_001])
        func lengths(_ count: Int) throws {
            let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let key: [UInt8] = [0x01, 0x80, 0xFE, 0x33]
            // A slice that does not begin where its storage does.
            var source = ByteBuffer(bytes: [9] + payload)
            source.moveReaderIndex(forwardBy: 1)
            var frame = WebSocketEncoder.frame(.binary, source, key: 0x0180_fe33)
            let head = frame.readInteger(as: UInt8.self)
            #expect(head == 0x82)
            let second = frame.readInteger(as: UInt8.self)
            let short = try #require(second)
            let length: Int?
            switch short & 0x7F {
            case 126: length = frame.readInteger(as: UInt16.self).map { Int($0) }
            case 127: length = frame.readInteger(as: UInt64.self).map { Int($0) }
            default: length = Int(short & 0x7F)
            }
            #expect(length == count)
            #expect((short & 0x7F == 127) == (count > 65_535) && (short & 0x7F >= 126) == (count > 125))
            #expect(short & 0x80 != 0)
            let mask = frame.readBytes(length: 4)
            #expect(mask == key)
            let masked = Array(frame.readableBytesView)
            #expect(masked.enumerated().map { $1 ^ key[$0 & 3] } == payload)
        }

        @Test("The stream is the same however it is cut, and whatever comes between", arguments: [1, 2, 3, 7, 1_000, .max])
        func cut(_ chunk: Int) throws {
            let long = (0..<70_000).map { UInt8(truncatingIfNeeded: $0) }
            let bytes =
                frame(0x82, [1, 2, 3]) + frame(0x02, [4]) + frame(0x89, [7, 7]) + frame(0x00, []) + frame(0x8A, []) + frame(0x80, [5, 6])
                + frame(0x82, []) + frame(0x82, Array(long[..<300])) + frame(0x82, long) + frame(0x88, [0x03, 0xE9] + Array("bye".utf8))
            let parts = try decode(bytes, chunk: chunk)
            #expect(stream(parts) == [1, 2, 3, 4, 5, 6] + long[..<300] + long)
            #expect(parts.contains(.ping(ByteBuffer(bytes: [7, 7]))))
            #expect(parts.contains(.pong))
            #expect(parts.last == .close(code: 1001, reason: "bye"))
        }

        @Test("A frame of any length passes through without being kept")
        func endless() throws {
            var decoder = WebSocketDecoder()
            var head = ByteBuffer(bytes: [0x82, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
            let none = try decoder.next(&head)
            #expect(none == nil)
            for _ in 0..<100 {
                var input = ByteBuffer(repeating: 1, count: 10_000)
                let data = try decoder.next(&input)
                #expect(data == .data(ByteBuffer(repeating: 1, count: 10_000)))
                let none = try decoder.next(&input)
                #expect(none == nil)
            }
        }

        @Test(
            "What the standard forbids is a violation",
            arguments: [
                [0x81, 0],  // text
                [0xC2, 0], [0xA2, 0], [0x92, 0],  // reserved bits
                [0x82, 0x80],  // masked
                [0x83, 0], [0x8B, 0],  // unknown kinds
                [0x80, 0],  // a continuation of nothing
                [0x02, 0, 0x82, 0],  // a message inside of another
                [0x09, 0], [0x08, 0],  // control frames in fragments
                [0x89, 126, 0, 126],  // a control frame that is too long
                [0x88, 1, 3],  // half a close code
                [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],  // a negative length
            ] as [[UInt8]])
        func violations(_ bytes: [UInt8]) {
            for chunk in [1, .max] {
                #expect(throws: WebSocketDecoder.Violation.self) { try decode(bytes, chunk: chunk) }
            }
        }

        @Test("No bytes trap", arguments: 0..<200)
        func noise(_ seed: UInt64) {
            var generator = SeededGenerator(seed: seed)
            let kinds: [UInt8] = [0x82, 0x02, 0x00, 0x80, 0x89, 0x8A, 0x88]
            let bytes = (0..<50).flatMap { _ -> [UInt8] in
                let count = Int.random(in: 0...130, using: &generator)
                let payload = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
                return Bool.random(using: &generator) ? payload : frame(kinds.randomElement(using: &generator) ?? 0, payload)
            }
            _ = try? decode(bytes, chunk: Int.random(in: 1...40, using: &generator))
        }

        @Test("SHA-1 by RFC 3174 and FIPS 180")
        func digests() {
            func digest(_ text: String) -> String {
                SHA1.digest(of: Array(text.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            }
            #expect(digest("") == "da39a3ee5e6b4b0d3255bfef95601890afd80709")
            #expect(digest("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d")
            #expect(
                digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") == "84983e441c3bd26ebaae4aa1f95129e5e54670f1")
            #expect(digest(String(repeating: "a", count: 1_000)) == "291e9a6c66994949b57ba5e650361e98fc36b1ba")
        }
    }
#endif
