import Dispatch

/// Where the program begins.
@main
enum Main {
    static func main() {
        // Words that are wrong go the usual way too, which says so.
        let words = try? ArgumentText.words(SystemFile.arguments.dropFirst())
        if let words, let quick = QuickPublish(words), QuickPublish.isPossible { quick.run() }
        Task {
            await MQTTC.main()
            Descriptor.exitNow(0)
        }
        dispatchMain()
    }
}
