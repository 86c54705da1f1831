#if WebSocket
    /// SHA-1 (RFC 3174), which RFC 6455 asks for to tell that a WebSocket server has understood the request. It protects nothing.
    enum SHA1 {
        static func digest(of message: [UInt8]) -> [UInt8] {
            var bytes = message + [0x80]
            while bytes.count % 64 != 56 { bytes.append(0) }
            let bitCount = UInt64(message.count) * 8
            for shift: UInt64 in [56, 48, 40, 32, 24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: bitCount >> shift)) }
            var state: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]
            for start in stride(from: 0, to: bytes.count, by: 64) { compress(bytes[start..<start + 64], into: &state) }
            return state.flatMap { word in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> ($0 as UInt32)) } }
        }

        private static func compress(_ block: ArraySlice<UInt8>, into state: inout [UInt32]) {
            var words: [UInt32] = stride(from: block.startIndex, to: block.endIndex, by: 4).map { at in
                block[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) }
            }
            for index in 16..<80 { words.append(rotate(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1)) }
            var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
            for (index, word) in words.enumerated() {
                let (mix, constant): (UInt32, UInt32) =
                    switch index {
                    case ..<20: (b & c | ~b & d, 0x5a82_7999)
                    case ..<40: (b ^ c ^ d, 0x6ed9_eba1)
                    case ..<60: (b & c | b & d | c & d, 0x8f1b_bcdc)
                    default: (b ^ c ^ d, 0xca62_c1d6)
                    }
                let next = rotate(a, 5) &+ mix &+ e &+ word &+ constant
                (e, d, c, b, a) = (d, c, rotate(b, 30), a, next)
            }
            for (index, value) in [a, b, c, d, e].enumerated() { state[index] &+= value }
        }

        private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { word << count | word >> (32 - count) }
    }
#endif
