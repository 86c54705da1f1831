#if WebSocket
    internal import NIOCore

    /// What a frame carries (RFC 6455 section 5.2).
    enum WebSocketOpcode: UInt8 {
        case continuation = 0
        case text = 1
        case binary = 2
        case close = 8
        case ping = 9
        case pong = 10

        var isControl: Bool { rawValue >= 8 }
    }

    /// Takes the frames of a server apart. Payloads pass through as they arrive: memory does not grow with the size of a frame.
    struct WebSocketDecoder {
        enum Part: Equatable {
            /// Bytes of the stream, of one frame or of a part of it.
            case data(ByteBuffer)
            case ping(ByteBuffer)
            case pong
            /// With its code, where it has one, and its reason.
            case close(code: UInt16?, reason: String)
        }

        struct Violation: Error, Equatable {
            let message: String
            var citation: String?
        }

        /// Of a frame that has begun.
        private var opcode = WebSocketOpcode.binary
        private var left: UInt64 = 0
        private var isInFrame = false
        /// A binary message goes on in the next data frame.
        private var isFragmented = false
        /// The beginning of a frame: at most ten bytes of header, or 125 of a control frame's payload.
        private var carry = ByteBuffer()

        /// The next part, or nil when more bytes are needed. Consumes `input` as far as it is used or kept.
        mutating func next(_ input: inout ByteBuffer) throws(Violation) -> Part? {
            while true {
                guard isInFrame else {
                    guard try readHeader(&input) else { return nil }
                    continue
                }
                if opcode.isControl {
                    guard fill(&input, to: Int(left)) else { return nil }
                    defer { endFrame() }
                    return try control()
                }
                guard left > 0 else {
                    endFrame()
                    continue
                }
                let count = Int(min(left, UInt64(input.readableBytes)))
                guard count > 0, let slice = input.readSlice(length: count) else { return nil }
                left -= UInt64(count)
                return .data(slice)
            }
        }

        private mutating func endFrame() {
            isInFrame = false
            carry.clear()
        }

        /// Moves bytes over until there are `count`.
        private mutating func fill(_ input: inout ByteBuffer, to count: Int) -> Bool {
            let missing = count - carry.readableBytes
            if missing > 0, var slice = input.readSlice(length: min(missing, input.readableBytes)) { carry.writeBuffer(&slice) }
            return carry.readableBytes >= count
        }

        private mutating func readHeader(_ input: inout ByteBuffer) throws(Violation) -> Bool {
            guard fill(&input, to: 2), let first = carry.getInteger(at: carry.readerIndex, as: UInt8.self),
                let second = carry.getInteger(at: carry.readerIndex + 1, as: UInt8.self)
            else { return false }
            let short = UInt64(second & 0x7F)
            let length: UInt64
            switch short {
            case 126:
                guard fill(&input, to: 4) else { return false }
                length = carry.getInteger(at: carry.readerIndex + 2, as: UInt16.self).map { UInt64($0) } ?? 0
            case 127:
                guard fill(&input, to: 10) else { return false }
                length = carry.getInteger(at: carry.readerIndex + 2, as: UInt64.self) ?? 0
            default: length = short
            }
            guard first & 0x70 == 0 else { throw Violation(message: "a reserved bit of a frame is set") }
            guard second & 0x80 == 0 else { throw Violation(message: "a server's frame is masked") }
            guard length <= UInt64(Int64.max) else { throw Violation(message: "the length of a frame is out of range") }
            guard let opcode = WebSocketOpcode(rawValue: first & 0x0F) else { throw Violation(message: "a frame of an unknown kind") }
            try begin(opcode, isLast: first & 0x80 != 0, length)
            return true
        }

        private mutating func begin(_ opcode: WebSocketOpcode, isLast: Bool, _ length: UInt64) throws(Violation) {
            switch opcode {
            case .text: throw Violation(message: "a text frame", citation: "MQTT-6.0.0-1")  // [MQTT-6.0.0-1]
            case .binary:
                guard !isFragmented else { throw Violation(message: "a message began inside of another") }
                isFragmented = !isLast
            case .continuation:
                guard isFragmented else { throw Violation(message: "a continuation of nothing") }
                isFragmented = !isLast
            case .close, .ping, .pong:
                guard isLast, length <= 125 else { throw Violation(message: "a control frame that is fragmented or too long") }
            }
            self.opcode = opcode
            left = length
            isInFrame = true
            carry.clear()
        }

        /// The control frame whose payload is complete.
        private func control() throws(Violation) -> Part {
            switch opcode {
            case .ping: return .ping(carry)
            case .close:
                var payload = carry
                guard payload.readableBytes > 0 else { return .close(code: nil, reason: "") }
                guard let code = payload.readInteger(as: UInt16.self) else { throw Violation(message: "a close code of one byte") }
                return .close(code: code, reason: String(buffer: payload))
            case .pong, .continuation, .text, .binary: return .pong
            }
        }
    }

    /// Puts bytes into the frames of a client, which are masked.
    enum WebSocketEncoder {
        /// - Parameter key: The mask. Unpredictable, so that nobody can choose what proxies on the way see.
        static func frame(_ opcode: WebSocketOpcode, _ payload: ByteBuffer, key: UInt32) -> ByteBuffer {
            let length = payload.readableBytes
            var frame = ByteBuffer()
            frame.reserveCapacity(length + 14)
            frame.writeInteger(0x80 | opcode.rawValue)
            switch length {
            case ...125: frame.writeInteger(0x80 | UInt8(length))
            case ...0xFFFF:
                frame.writeInteger(0x80 | 126 as UInt8)
                frame.writeInteger(UInt16(length))
            default:
                frame.writeInteger(0x80 | 127 as UInt8)
                frame.writeInteger(UInt64(length))
            }
            frame.writeInteger(key)
            frame.writeMasked(payload, key: key)
            return frame
        }
    }
#endif
