package import NIOCore

/// Runs tasks on the thread of an event loop, which saves two hops between threads for whatever waits for the broker.
package final class EventLoopExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    package init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        // The job is run once, as the protocol demands: an event loop runs all it was given, or has been shut down with the process.
        let job = UnownedJob(job)
        eventLoop.execute { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
