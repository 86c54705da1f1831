#if WebSocket
    // The mask that a client puts on everything it sends.
    internal import NIOCore

    extension ByteBuffer {
        /// Appends `source`, each byte combined with one of the four of the key (RFC 6455 section 5.3), eight at a time.
        ///
        /// Unsafe, because it is done to each byte that is sent: byte by byte it would take longer than all the rest. The memory is that of
        /// the two buffers, for the length of the calls, and both loops end where the source does.
        mutating func writeMasked(_ source: ByteBuffer, key: UInt32) {
            let count = source.readableBytes
            let word = UInt64(key) << 32 | UInt64(key)
            let pattern = word.bigEndian
            _ = unsafe writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
                unsafe source.withUnsafeReadableBytes { bytes in
                    var at = 0
                    while at + 8 <= count {
                        let plain = unsafe bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                        unsafe target.storeBytes(of: plain ^ pattern, toByteOffset: at, as: UInt64.self)
                        at += 8
                    }
                    while at < count {
                        unsafe target[at] = unsafe bytes[at] ^ UInt8(truncatingIfNeeded: key >> UInt32(24 - 8 * (at & 3)))
                        at += 1
                    }
                }
                return count
            }
        }
    }
#endif
