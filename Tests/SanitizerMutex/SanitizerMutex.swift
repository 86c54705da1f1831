// The Mutex of all modules and tests while scripts/test-thread-sanitizer runs. No product and no other build has it.
//
// On Linux the Mutex of Synchronization is a futex whose contended path lies in the standard library, which is not built for the
// thread sanitizer: it misses the lock that was waited for, and reports what the lock protects. Swift 6.3.1 (and -O alike):
//
//     import Dispatch
//     import Synchronization
//     final class Box: Sendable { let value = Mutex<[Int]>([]) }
//     let box = Box()
//     DispatchQueue.concurrentPerform(iterations: 4) { _ in
//         for number in 0..<20_000 {
//             box.value.withLock { if $0.count > 50 { $0.removeAll() } else { $0.append(number) } }
//         }
//     }
//
// `swiftc -swift-version 6 -sanitize=thread` and a run report a "Swift access race" within `withLock`. With this type in the place
// of Mutex there is none: the sanitizer knows pthread_mutex. Atomics are inlined into our code and need nothing.
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A mutex with the interface of `Synchronization.Mutex`, as far as this package uses it.
@safe
public struct SanitizerMutex<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
    // Both stay where they are until deinit, and nobody but withLock gets at the value: that is what makes it Sendable.
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let value: UnsafeMutablePointer<Value>

    public init(_ initialValue: consuming sending Value) {
        unsafe lock = .allocate(capacity: 1)
        unsafe value = .allocate(capacity: 1)
        unsafe value.initialize(to: initialValue)
        let status = unsafe pthread_mutex_init(lock, nil)
        precondition(status == 0)
    }

    deinit {
        unsafe pthread_mutex_destroy(lock)
        unsafe lock.deallocate()
        unsafe value.deinitialize(count: 1)
        unsafe value.deallocate()
    }

    public borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        return try unsafe body(&value.pointee)
    }
}
