import Dispatch

/// Where the program begins.
@main
enum Main {
    static func main() {
        if let quick = QuickPublish(CommandLine.arguments.dropFirst()), QuickPublish.isPossible { quick.run() }
        Task {
            await MQTTC.main()
            Descriptor.exitNow(0)
        }
        dispatchMain()
    }
}
