import NIOCore
import Simulation

/// A socket as SwiftNIO would show it, with a real pipeline: it reads when it is asked, writes as much as the kernel takes, and closes in
/// the order that the library relies on.
final class SimulatedChannel: Channel, ChannelCore, @unchecked Sendable {
    // Only the thread of the world gets here, which the event loop checks.

    private struct Write {
        var buffer: ByteBuffer
        var promise: EventLoopPromise<Void>?
    }

    let loop: SimulatedEventLoop
    private let wire: Wire
    private let closePromise: EventLoopPromise<Void>
    private lazy var ownPipeline = ChannelPipeline(channel: self)
    private var connecting: EventLoopPromise<any Channel>?
    private(set) var isActive = false
    private(set) var isOpen = true
    private var isOutputOpen = true
    private var isReadPending = false
    private var isPumping = false
    private var writes: [Write] = []
    /// So many of them are to go out.
    private var flushed = 0
    /// What the operating system holds for it.
    private var inbox = ByteBuffer()

    init(_ wire: Wire, _ loop: SimulatedEventLoop) {
        self.wire = wire
        self.loop = loop
        closePromise = loop.makePromise()
    }

    // MARK: The connection

    func connect(_ promise: EventLoopPromise<any Channel>) { connecting = promise }

    func connected() {
        guard isOpen, let promise = connecting.take() else { return }
        isActive = true
        promise.succeed(self)
        guard isActive else { return }
        pipeline.syncOperations.fireChannelActive()
        readIfNeeded()
    }

    func connectFailed(_ error: any Error) {
        guard isOpen, let promise = connecting.take() else { return }
        promise.fail(error)
        close0(error: error, mode: .all, promise: nil)
    }

    private func readIfNeeded() {
        if isActive, !isReadPending { pipeline.syncOperations.read() }
    }

    // MARK: Reading

    var inboxCount: Int { inbox.readableBytes }

    /// The operating system has got bytes.
    func receive(_ bytes: [UInt8]) { inbox.writeBytes(bytes) }

    /// The loop was told that there is something to read.
    func readable() {
        guard isActive, isReadPending, inbox.readableBytes > 0 else { return }
        isReadPending = false
        // Some reads come together, as long as the first ones filled their buffers.
        for _ in 0..<wire.readsAtOnce where isActive && inbox.readableBytes > 0 { deliver() }
        guard isActive else { return }
        pipeline.syncOperations.fireChannelReadComplete()
        readIfNeeded()
        wire.madeRoom()
    }

    private func deliver() {
        guard let bytes = inbox.readSlice(length: wire.portionToRead(of: inbox.readableBytes)) else { return }
        inbox.discardReadBytes()
        pipeline.syncOperations.fireChannelRead(NIOAny(bytes))
    }

    /// The broker has closed. All that is there is read, whether it was asked for or not.
    func readEnd() {
        guard isActive else { return }
        while isActive, inbox.readableBytes > 0 {
            deliver()
            if isActive { pipeline.syncOperations.fireChannelReadComplete() }
        }
        if isActive { close0(error: ChannelError.eof, mode: .all, promise: nil) }
    }

    /// The connection was reset. What was not read is gone.
    func wasReset() {
        inbox.clear()
        guard isActive else { return }
        let error = IOError(errnoCode: 104, reason: "read")
        pipeline.syncOperations.fireErrorCaught(error)
        close0(error: error, mode: .all, promise: nil)
    }

    // MARK: ChannelCore

    func read0() {
        wire.interrupt()
        isReadPending = true
        guard isActive, inbox.readableBytes > 0 else { return }
        loop.enqueue { [self] in readable() }
    }

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard isOpen else { return promise?.fail(ChannelError.ioOnClosedChannel) ?? () }
        guard isOutputOpen else { return promise?.fail(ChannelError.outputClosed) ?? () }
        writes.append(Write(buffer: unwrapData(data), promise: promise))
    }

    func flush0() {
        wire.interrupt()
        flushed = writes.count
        pump()
        wire.interrupt()
    }

    /// Gives the operating system what it takes.
    func pump() {
        guard isActive, !isPumping else { return }
        isPumping = true
        while isOpen, flushed > 0 {
            if wire.isKnownReset {
                isPumping = false
                return close0(error: IOError(errnoCode: 32, reason: "write"), mode: .all, promise: nil)
            }
            let count = wire.portionToWrite(of: writes[0].buffer.readableBytes)
            if let bytes = writes[0].buffer.readBytes(length: count), count > 0 { wire.send(bytes) }
            guard writes[0].buffer.readableBytes == 0 else { break }
            let promise = writes.removeFirst().promise
            flushed -= 1
            promise?.succeed(())
        }
        isPumping = false
        if isOpen, !isOutputOpen, flushed == 0 { wire.endOutput() }
    }

    var wantsToWrite: Bool { isActive && flushed > 0 }
    var bufferedBytes: Int { writes.reduce(0) { $0 + $1.buffer.readableBytes } }

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        wire.interrupt()
        guard isOpen else { return promise?.fail(ChannelError.alreadyClosed) ?? () }
        switch mode {
        case .input: return promise?.fail(ChannelError.operationUnsupported) ?? ()
        case .output:
            guard isActive, isOutputOpen else { return promise?.fail(ChannelError.outputClosed) ?? () }
            isOutputOpen = false
            if flushed == 0 { wire.endOutput() }
            promise?.succeed(())
            return
        case .all: break
        }
        let wasActive = isActive
        isOpen = false
        isActive = false
        let failed = writes
        writes = []
        flushed = 0
        wire.closed(hasUnread: inbox.readableBytes > 0)
        for write in failed { write.promise?.fail(error) }
        promise?.succeed(())
        connecting.take()?.fail(error)
        if wasActive { pipeline.syncOperations.fireChannelInactive() }
        pipeline.syncOperations.fireChannelUnregistered()
        // Later: whoever closed may be in the middle of the pipeline.
        loop.enqueue { [self] in
            removeHandlers(pipeline: pipeline)
            closePromise.succeed(())
        }
    }

    func register0(promise: EventLoopPromise<Void>?) {
        promise?.succeed(())
        pipeline.syncOperations.fireChannelRegistered()
    }

    func localAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }
    func remoteAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }
    func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
    func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
    func channelRead0(_ data: NIOAny) {}
    func errorCaught0(error: any Error) {}

    // MARK: Channel

    let allocator = ByteBufferAllocator()
    var eventLoop: any EventLoop { loop }
    var closeFuture: EventLoopFuture<Void> { closePromise.futureResult }
    var pipeline: ChannelPipeline { ownPipeline }
    var localAddress: SocketAddress? { nil }
    var remoteAddress: SocketAddress? { nil }
    var parent: (any Channel)? { nil }
    var isWritable: Bool { true }
    var _channelCore: any ChannelCore { self }
    var syncOptions: (any NIOSynchronousChannelOptions)? { Options(channel: self) }

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        loop.makeFailedFuture(ChannelError.operationUnsupported)
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        loop.makeFailedFuture(ChannelError.operationUnsupported)
    }

    private struct Options: NIOSynchronousChannelOptions {
        let channel: SimulatedChannel

        func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws { throw ChannelError.operationUnsupported }

        func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
            guard option is ChannelOptions.Types.BufferedWritableBytesOption, let value = channel.bufferedBytes as? Option.Value else {
                throw ChannelError.operationUnsupported
            }
            return value
        }
    }
}
