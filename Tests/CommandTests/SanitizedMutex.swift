// Under the thread sanitizer Mutex is one that it can see into; Tests/SanitizerMutex says why. Any other build has nothing of this.
#if TSAN
    import SanitizerMutex

    typealias Mutex = SanitizerMutex
#endif
