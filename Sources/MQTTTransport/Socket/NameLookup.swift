internal import NIOCore

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Asks the operating system for the addresses of a name, and blocks meanwhile.
enum NameLookup {
    /// Why there are none.
    struct Failure: Error {
        let host: String
        let code: CInt

        /// For people.
        var text: String {
            switch code {
            case EAI_NONAME: "the name \(host) is not known"
            case EAI_AGAIN: "the name \(host) could not be looked up now: no name server has answered"
            default:
                "the name \(host) could not be looked up: \(reason)"
            }
        }

        /// A constant text of the C library.
        private var reason: String { unsafe gai_strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)" }
    }

    /// In the order of the operating system (RFC 6724), with port 0.
    static func addresses(of host: String) throws(Failure) -> [SocketAddress] {
        var hints = unsafe addrinfo()
        #if canImport(Glibc)
            unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        #else
            unsafe hints.ai_socktype = SOCK_STREAM
        #endif
        var first: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, nil, &hints, &first)
        guard code == 0 else { throw Failure(host: host, code: code) }
        defer { unsafe freeaddrinfo(first) }
        var addresses: [SocketAddress] = []
        var next = unsafe first
        while let info = unsafe next {
            if let address = unsafe address(info.pointee, host), !addresses.contains(address) { addresses.append(address) }
            unsafe next = info.pointee.ai_next
        }
        guard !addresses.isEmpty else { throw Failure(host: host, code: EAI_NONAME) }
        return addresses
    }

    private static func address(_ info: addrinfo, _ host: String) -> SocketAddress? {
        guard let bytes = unsafe UnsafeRawPointer(info.ai_addr) else { return nil }
        // The length says that the structure of the family is there.
        switch unsafe (info.ai_family, Int(info.ai_addrlen)) {
        case (AF_INET, MemoryLayout<sockaddr_in>.size...):
            return unsafe SocketAddress(bytes.loadUnaligned(as: sockaddr_in.self), host: host)
        case (AF_INET6, MemoryLayout<sockaddr_in6>.size...):
            return unsafe SocketAddress(bytes.loadUnaligned(as: sockaddr_in6.self), host: host)
        default: return nil
        }
    }
}
