import Glibc

/// Brings every job of Swift's concurrency to the machine of the thread that it was enqueued on: also those of tasks that the library
/// makes for itself, which would run on threads of the global pool otherwise. Jobs of other threads go where they always go.
enum JobHook {
    private typealias Original = @convention(thin) (UnownedJob) -> Void
    private typealias Hook = @convention(thin) (UnownedJob, Original) -> Void

    /// The machine of each thread.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let status = unsafe pthread_key_create(&key, nil)
        precondition(status == 0, "there is no room for a variable of the thread")
        return key
    }()

    private static let isInstalled: Bool = {
        guard let symbol = unsafe dlsym(dlopen(nil, RTLD_NOW), "swift_task_enqueueGlobal_hook") else { return false }
        unsafe symbol.assumingMemoryBound(to: Hook?.self).pointee = { job, original in
            if let machine = current { machine.enqueue(job) } else { original(job) }
        }
        return true
    }()

    private static var current: Machine? {
        unsafe pthread_getspecific(key).map { unsafe Unmanaged<Machine>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Runs the body with all jobs of this thread going to the machine.
    static func with<Result>(_ machine: Machine, _ body: () -> Result) -> Result {
        precondition(isInstalled, "the runtime has no hook for jobs")
        precondition(current == nil, "one world at a time on a thread")
        let pointer = unsafe Unmanaged.passUnretained(machine).toOpaque()
        unsafe pthread_setspecific(key, pointer)
        defer { pthread_setspecific(key, nil) }
        return withExtendedLifetime(machine, body)
    }
}
