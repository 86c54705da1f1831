internal import NIOCore
internal import NIOPosix

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Says for people why a connection could not be had, or was lost: SwiftNIO's errors say it for those who know SwiftNIO.
package enum NetworkFailure {
    package static func text(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError: attempts(error)
        case let error as IOError: name(of: error.errnoCode) ?? "\(error)"
        case ChannelError.connectTimeout: "no answer in time"
        case ChannelError.eof, ChannelError.inputClosed, ChannelError.alreadyClosed, ChannelError.ioOnClosedChannel:
            "the connection was closed"
        default: "\(error)"
        }
    }

    /// The addresses that were tried, or why there were none.
    private static func attempts(_ error: NIOConnectionError) -> String {
        guard !error.connectionErrors.isEmpty else {
            return switch error.dnsAAAAError {
            case let failure as NameLookup.Failure: failure.text
            case let failure as AddressResolver.NoSuchFamily: failure.text
            default: "the name \(error.host) is not known"
            }
        }
        var texts: [String] = []
        for attempt in error.connectionErrors {
            let address = attempt.target.ipAddress.map { $0.utf8.contains(UInt8(ascii: ":")) ? "[\($0)]" : $0 } ?? error.host
            let text = "\(address):\(error.port): \(text(attempt.error))"
            if !texts.contains(text) { texts.append(text) }
        }
        return texts.joined(separator: "; ")
    }

    private static func name(of code: CInt) -> String? {
        switch code {
        case ECONNREFUSED: "connection refused"
        case ECONNRESET: "connection reset by the other end"
        case ECONNABORTED: "connection aborted"
        case EPIPE: "the other end has closed the connection"
        case ETIMEDOUT: "the other end has not answered in time"
        case EHOSTUNREACH: "no route to the host"
        case ENETUNREACH: "the network is unreachable"
        case ENETDOWN: "the network is down"
        case EADDRNOTAVAIL: "this machine does not have the address to connect from"
        case EACCES, EPERM: "permission denied"
        case ENOENT: "there is no such socket"
        case EAGAIN: "too many connections wait for the listener"
        case EMFILE, ENFILE: "too many open files"
        default: nil
        }
    }
}
