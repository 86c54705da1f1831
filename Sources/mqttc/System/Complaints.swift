import MQTT
import Synchronization

/// What is wrong, for people, on standard error.
enum Complaints {
    private static let isQuiet = Atomic(false)

    /// `--quiet`: from now on nothing is said.
    static func silence() { isQuiet.store(true, ordering: .relaxed) }

    static var isSilenced: Bool { isQuiet.load(ordering: .relaxed) }

    static func say(_ message: String) {
        if isSilenced { return }
        _ = Descriptor.error.writeAll(Array("mqttc: \(message)\n".utf8))
    }

    static func say(_ error: MQTTError) {
        var text = error.message
        if let reasonCode = error.reasonCode { text += " (reason code \(reasonCode))" }
        if let citation = error.citation { text += " [\(citation)]" }
        say(text)
    }
}
