import MQTT

/// The lines that answer ops, and the events of the connection.
enum Reply {
    static func success(_ id: Int64, _ fill: (inout JSONLine) -> Void = { _ in }) -> [UInt8] {
        var line = JSONLine()
        line.add("id", id)
        line.add("ok", true)
        fill(&line)
        return line.finish()
    }

    /// Without an id the line had none that could be used.
    static func failure(_ id: Int64?, _ failure: PipeFailure) -> [UInt8] {
        var line = JSONLine()
        if let id { line.add("id", id) } else { line.addNull("id") }
        line.add("ok", false)
        line.add("error", failure.name.rawValue)
        line.add("message", failure.message)
        if let reasonCode = failure.reasonCode { line.add("reasonCode", reasonCode) }
        if failure.name == .subscribeFailed {
            line.add("failed", failure.failed)
            line.add("granted", failure.granted)
        }
        return line.finish()
    }

    static func online(_ online: Online) -> [UInt8] {
        var line = JSONLine()
        line.add("event", "online")
        line.add("sessionPresent", online.sessionPresent)
        return line.finish()
    }

    static func warning(_ message: String) -> [UInt8] {
        var line = JSONLine()
        line.add("event", "warning")
        line.add("message", message)
        return line.finish()
    }

    static func offline(_ error: MQTTError) -> [UInt8] {
        // Three names only: a connection that was dropped as dead is lost, whoever noticed how.
        let name: PipeFailure.Name =
            switch error.code {
            case .protocolViolation: .protocolViolation
            case .closed: .closed
            default: .connectionLost
            }
        var line = JSONLine()
        line.add("event", "offline")
        line.add("error", name.rawValue)
        line.add("message", error.description)
        return line.finish()
    }
}
