import MQTT
import Synchronization

/// What is wrong, for people, on standard error.
enum Complaints {
    private static let isQuiet = Atomic(false)
    private static let pauseMilliseconds = Atomic(10_000)
    private static let connectMilliseconds = Atomic(10_000)

    /// `--quiet`: from now on nothing is said.
    static func silence() { isQuiet.store(true, ordering: .relaxed) }

    static var isSilenced: Bool { isQuiet.load(ordering: .relaxed) }

    static func say(_ message: String) {
        if isSilenced { return }
        _ = Descriptor.error.writeAll(Array("mqttc: \(message)\n".utf8))
    }

    /// How long this run waits for the broker, which the library calls by the names of its settings.
    static func heed(_ configuration: Configuration) {
        func milliseconds(_ duration: Duration) -> Int {
            let patience = duration / .milliseconds(1)
            return patience.isFinite && patience < 1e15 ? Int(patience) : .max
        }
        pauseMilliseconds.store(milliseconds(configuration.pauseTimeout), ordering: .relaxed)
        connectMilliseconds.store(milliseconds(configuration.connectTimeout), ordering: .relaxed)
    }

    static func say(_ error: MQTTError) {
        let pause = Double(pauseMilliseconds.load(ordering: .relaxed)) / 1_000
        let connect = Double(connectMilliseconds.load(ordering: .relaxed)) / 1_000
        var text = error.message.replacing("pauseTimeout", with: Quantity.seconds(pause))
            .replacing("connectTimeout", with: Quantity.seconds(connect)).replacing("bindAddress", with: "-A")
        if let reasonCode = error.reasonCode { text += " (reason code \(reasonCode))" }
        if let citation = error.citation { text += " [\(citation)]" }
        say(text)
    }
}
