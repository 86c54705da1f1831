#if os(Linux)
    import Glibc

    /// A socket that listens to a name in the abstract namespace. SwiftNIO cannot bind one: it pads the name.
    enum AbstractListener {
        static func descriptor(_ name: String) -> CInt {
            let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let path = MemoryLayout.size(ofValue: address) - MemoryLayout.size(ofValue: address.sun_path)
            unsafe withUnsafeMutableBytes(of: &address) { unsafe $0[(path + 1)...].copyBytes(from: name.utf8) }
            let length = socklen_t(path + 1 + name.utf8.count)
            _ = unsafe withUnsafeBytes(of: &address) { unsafe bind(descriptor, $0.bindMemory(to: sockaddr.self).baseAddress, length) }
            return descriptor
        }
    }
#endif
