internal import NIOCore

#if canImport(Musl)
    internal import Musl
#elseif canImport(Glibc)
    internal import Glibc
#endif

/// Sockets in the abstract namespace of Linux: their names are not in the file system.
///
/// SwiftNIO fills a name up to the length of the system's structure, and here that makes another name of it. So this connects, and
/// SwiftNIO gets the connected descriptor.
enum AbstractSocket {
    /// The name that a path stands for, if it stands for one.
    static func name(in path: String) -> Substring.UTF8View? { path.hasPrefix("@") ? path.dropFirst().utf8 : nil }

    #if os(Linux) || os(Android)
        static let isSupported = true

        /// A connected descriptor, which the caller has to close. It does not wait: when the listener's queue is full it fails.
        static func descriptor(connectedTo name: Substring.UTF8View) throws -> CInt {
            #if canImport(Musl)
                let type = SOCK_STREAM
            #else
                let type = CInt(SOCK_STREAM.rawValue)
            #endif
            let flags = CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
            let descriptor = socket(AF_UNIX, type | flags, 0)
            guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let path = MemoryLayout.size(ofValue: address) - MemoryLayout.size(ofValue: address.sun_path)
            // The byte ahead of the name is zero; there is none behind it.
            unsafe withUnsafeMutableBytes(of: &address) { unsafe $0[(path + 1)...].copyBytes(from: name) }
            let length = socklen_t(path + 1 + name.count)
            let result = unsafe withUnsafeBytes(of: &address) { bytes in
                unsafe connect(descriptor, bytes.bindMemory(to: sockaddr.self).baseAddress, length)
            }
            guard result == 0 else {
                let error = IOError(errnoCode: errno, reason: "connect")
                close(descriptor)
                throw error
            }
            return descriptor
        }
    #else
        static let isSupported = false

        static func descriptor(connectedTo name: Substring.UTF8View) throws -> CInt { throw ChannelError.operationUnsupported }
    #endif
}
