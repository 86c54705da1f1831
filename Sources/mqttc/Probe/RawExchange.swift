import MQTT
import NIOCore

/// A CONNECT packet of any version, as bytes: `test` asks brokers what the library does not speak.
struct ConnectBytes {
    var protocolName = "MQTT"
    var level: UInt8 = 4
    var clientID: String
    var isClean = true
    var username: String?
    var password: [UInt8]?

    var packet: [UInt8] {
        var flags: UInt8 = isClean ? 2 : 0
        if username != nil { flags |= 0x80 }
        if password != nil { flags |= 0x40 }
        var body = Self.string(protocolName.utf8) + [level, flags, 0, 60]
        if level >= 5 { body.append(0) }  // no properties
        body += Self.string(clientID.utf8)
        if let username { body += Self.string(username.utf8) }
        if let password { body += Self.string(password) }
        return [0x10] + Self.length(body.count) + body
    }

    static let disconnect: [UInt8] = [0xe0, 0]

    private static func string(_ bytes: some Collection<UInt8>) -> [UInt8] {
        [UInt8(truncatingIfNeeded: bytes.count >> 8), UInt8(truncatingIfNeeded: bytes.count)] + bytes
    }

    private static func length(_ count: Int) -> [UInt8] {
        var (rest, bytes): (Int, [UInt8]) = (count, [])
        repeat {
            bytes.append(UInt8(rest % 128) | (rest > 127 ? 0x80 : 0))
            rest /= 128
        } while rest > 0
        return bytes
    }
}

/// What a broker answered to a CONNECT.
struct ConnackBytes: Equatable {
    let sessionPresent: Bool
    let code: UInt8
    /// Of version 5.0: the identifiers with their values as numbers, where they are numbers.
    let properties: [UInt8: Int]

    /// Nil when the packet is no CONNACK.
    init?(_ packet: [UInt8], level: UInt8) {
        guard packet.count >= 4, packet[0] == 0x20, packet[1] & 0x80 == 0 || packet.count > 6 else { return nil }
        var bytes = packet[1...]
        guard Self.number(&bytes) != nil, let flags = bytes.popFirst(), let code = bytes.popFirst() else { return nil }
        sessionPresent = flags & 1 != 0
        self.code = code
        var properties: [UInt8: Int] = [:]
        if level >= 5, let length = Self.number(&bytes), length <= bytes.count {
            var rest = bytes.prefix(length)
            while let identifier = rest.popFirst() {
                guard let value = Self.value(of: identifier, &rest) else { break }
                properties[identifier] = value
            }
        }
        self.properties = properties
    }

    /// MQTT 5.0, table 2-4. Texts read as their length.
    private static func value(of identifier: UInt8, _ bytes: inout ArraySlice<UInt8>) -> Int? {
        switch identifier {
        case 0x24, 0x25, 0x28, 0x29, 0x2a: return integer(&bytes, 1)
        case 0x13, 0x21, 0x22: return integer(&bytes, 2)
        case 0x11, 0x27: return integer(&bytes, 4)
        case 0x12, 0x15, 0x16, 0x1a, 0x1c, 0x1f: return text(&bytes)
        case 0x26: return text(&bytes).flatMap { first in text(&bytes).map { first + $0 } }
        default: return nil
        }
    }

    private static func integer(_ bytes: inout ArraySlice<UInt8>, _ count: Int) -> Int? {
        guard bytes.count >= count else { return nil }
        defer { bytes = bytes.dropFirst(count) }
        return bytes.prefix(count).reduce(0) { $0 << 8 | Int($1) }
    }

    private static func text(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        guard let count = integer(&bytes, 2), bytes.count >= count else { return nil }
        bytes = bytes.dropFirst(count)
        return count
    }

    /// A variable byte integer.
    private static func number(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        var value = 0
        for shift in [0, 7, 14, 21] {
            guard let byte = bytes.popFirst() else { return nil }
            value |= Int(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return value }
        }
        return nil
    }
}

/// One connection of its own: CONNECT, the answer, and DISCONNECT.
struct RawExchange: Sendable {
    let configuration: Configuration
    let eventLoop: any EventLoop

    /// The first packet that came within the time. Empty when the broker closed the connection or said nothing.
    func answer(to packet: [UInt8], within timeout: TimeAmount) async throws -> [UInt8] {
        let dialer = try configuration.makeDialer()
        let answer = eventLoop.makePromise(of: [UInt8].self)
        let channel: any Channel
        do {
            channel = try await dialer.dial(on: eventLoop, timeout: timeout) { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(FirstPacket(answer)) }
            }.get()
        } catch {
            answer.succeed([])
            throw error
        }
        let late = eventLoop.scheduleTask(in: timeout) { answer.succeed([]) }
        try? await channel.writeAndFlush(ByteBuffer(bytes: packet))
        let bytes = try await answer.futureResult.get()
        late.cancel()
        if !bytes.isEmpty { try? await channel.writeAndFlush(ByteBuffer(bytes: ConnectBytes.disconnect)) }
        try? await channel.close()
        return bytes
    }
}

/// Collects the bytes of one packet.
private final class FirstPacket: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// A CONNACK with all its properties is shorter.
    private static let limit = 1 << 16

    private let answer: EventLoopPromise<[UInt8]>
    private var bytes: [UInt8] = []

    init(_ answer: EventLoopPromise<[UInt8]>) {
        self.answer = answer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        bytes += unwrapInboundIn(data).readableBytesView
        if isWhole || bytes.count > Self.limit { answer.succeed(bytes) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        answer.succeed([])
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private var isWhole: Bool {
        var length = 0
        for (index, byte) in bytes.dropFirst().prefix(4).enumerated() {
            length |= Int(byte & 0x7f) << (7 * index)
            if byte & 0x80 == 0 { return bytes.count >= 2 + index + length }
        }
        return false
    }
}
