internal import Synchronization

#if canImport(Glibc) && !TSAN
    internal import Glibc

    /// The lock for what a publisher and the event loop both take all the time, with the interface of `Mutex`.
    ///
    /// On Linux `Mutex` is a priority-inheriting futex: whoever gives it up hands it to the thread that waits. When two threads take it
    /// again and again, they change places at each step. (With it, 9 % of the samples of a profile of publishing at QoS 0 were in its slow
    /// path, and 17 % in changes of threads, for this and other reasons.) This one may be taken again by the thread that runs.
    @safe struct BusyMutex<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
        // Both stay where they are until deinit, and nobody but withLock gets at the value: that is what makes it Sendable.
        private let lock: UnsafeMutablePointer<pthread_mutex_t>
        private let value: UnsafeMutablePointer<Value>

        init(_ initialValue: consuming sending Value) {
            unsafe lock = .allocate(capacity: 1)
            unsafe value = .allocate(capacity: 1)
            unsafe value.initialize(to: initialValue)
            var attributes = pthread_mutexattr_t()
            unsafe pthread_mutexattr_init(&attributes)
            // Looks a few times before it sleeps: steps are short.
            unsafe pthread_mutexattr_settype(&attributes, CInt(PTHREAD_MUTEX_ADAPTIVE_NP))
            let status = unsafe pthread_mutex_init(lock, &attributes)
            precondition(status == 0, "there is no memory for a lock")
            unsafe pthread_mutexattr_destroy(&attributes)
        }

        deinit {
            unsafe pthread_mutex_destroy(lock)
            unsafe lock.deallocate()
            unsafe value.deinitialize(count: 1)
            unsafe value.deallocate()
        }

        borrowing func withLock<Result: ~Copyable, Failure: Error>(
            _ body: (inout sending Value) throws(Failure) -> sending Result
        ) throws(Failure) -> sending Result {
            unsafe pthread_mutex_lock(lock)
            defer { unsafe pthread_mutex_unlock(lock) }
            return try unsafe body(&value.pointee)
        }
    }
#else
    typealias BusyMutex = Mutex
#endif
