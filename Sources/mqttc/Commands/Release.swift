/// What this is: the one place that has the number of the version.
enum Release {
    static let version = "0.1.0"

    /// Of `--version`.
    static let text = "mqttc \(version) (MQTT 3.1.1)"
}
