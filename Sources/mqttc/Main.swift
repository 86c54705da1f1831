import Dispatch

/// Where the program begins.
@main
enum Main {
    static func main() {
        Descriptor.keepStandardNumbers()
        // Words that are wrong go the usual way too, which says so.
        let words = try? ArgumentText.words(SystemFile.arguments.dropFirst())
        if let words, let quick = QuickPublish(words), QuickPublish.isPossible { quick.run() }
        Task { @concurrent in
            await MQTTC.main()
            Descriptor.exitNow(0)
        }
        // Nothing is for the main queue: the task is not of the main actor. dispatchMain() would end this thread, and valgrind with it.
        DispatchSemaphore(value: 0).wait()
    }
}
