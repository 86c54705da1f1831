internal import NIOCore

/// The memory of the last batch that was written, to be filled again: a busy connection asks for none.
struct OutboundSpare {
    /// What has grown beyond is not kept: it was a payload's, or a connection would hold it for ever.
    private static let keptCapacity = 128 << 10

    private var block = OutboundBlock()
    private var buffer = ByteBuffer()

    /// Called when the channel has let go of the last batch: nobody else holds its buffer, so that clearing keeps the memory.
    mutating func renew() {
        if buffer.capacity > 0 { buffer.clear() }
    }

    mutating func takeBlock() -> OutboundBlock {
        defer { block = OutboundBlock() }
        return block
    }

    mutating func takeBuffer() -> ByteBuffer {
        defer { buffer = ByteBuffer() }
        return buffer
    }

    /// The buffer is about to be written.
    mutating func keep(_ written: ByteBuffer) {
        if written.storageCapacity <= Self.keptCapacity { buffer = written }
    }

    /// What is in the block, for the channel. The block is free then.
    mutating func bytes(of full: OutboundBlock) -> ByteBuffer {
        full.copy(to: &buffer)
        guard full.capacity <= Self.keptCapacity else { return takeBuffer() }
        block = full
        block.clear()
        return buffer
    }
}
